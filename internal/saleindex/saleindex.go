// Package saleindex is the list of the sales that are published to the nodes, kept in Redis.
//
// The leader writes it and every node reads it. It can be lost with Redis, or come back older; it
// then says that it is not complete, until the leader has listed every sale of the ledger again.
package saleindex

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
)

// BusyFor is how long a sale counts as busy after a node has last said so.
const BusyFor = 10 * time.Second

// Index reads and writes the list. It is safe for concurrent use.
type Index struct{ client rueidis.Client }

// New returns the index that is kept in this Redis.
func New(client rueidis.Client) *Index { return &Index{client: client} }

// Edition tells one state of a sale's record from another, and one sale from a later one that was
// created under the same id.
type Edition struct {
	Version       int64
	Epoch         int64
	CreatedMillis int64
}

// EditionOf returns the edition of a record.
func EditionOf(rec sale.Record) Edition {
	return Edition{Version: rec.Version, Epoch: rec.Epoch, CreatedMillis: rec.CreatedAt.UnixMilli()}
}

// IsZero reports that there is no edition: the sale is not listed.
func (e Edition) IsZero() bool { return e == Edition{} }

func (e Edition) text() string {
	return fmt.Sprintf("%d.%d@%d", e.Version, e.Epoch, e.CreatedMillis)
}

// parseEdition reads what text wrote; anything else is no edition of any sale.
func parseEdition(text string) Edition {
	head, created, _ := strings.Cut(text, "@")
	version, epoch, _ := strings.Cut(head, ".")
	v, errVersion := strconv.ParseInt(version, 10, 64)
	n, errEpoch := strconv.ParseInt(epoch, 10, 64)
	c, errCreated := strconv.ParseInt(created, 10, 64)
	if errVersion != nil || errEpoch != nil || errCreated != nil {
		return Edition{}
	}
	return Edition{Version: v, Epoch: n, CreatedMillis: c}
}

// Publish puts a record where every node finds it within a refresh. A record older than the one
// that is there changes nothing.
func (x *Index) Publish(ctx context.Context, rec sale.Record) error {
	args := []string{strconv.FormatInt(rec.Version, 10), strconv.FormatInt(rec.Epoch, 10), string(sale.EncodeRecord(rec))}
	published, err := salePublishScript.Exec(ctx, x.client, []string{recordKey(rec.ID)}, args).AsInt64()
	if err != nil {
		return fmt.Errorf("publish sale %s: %w", rec.ID, err)
	}
	if published == 0 {
		return nil
	}
	return x.put(ctx, rec.ID, EditionOf(rec).text())
}

// Withdraw takes a sale from every node's view.
func (x *Index) Withdraw(ctx context.Context, saleID string) error {
	if err := x.put(ctx, saleID, ""); err != nil {
		return err
	}
	if err := x.client.Do(ctx, x.client.B().Del().Key(recordKey(saleID)).Build()).Error(); err != nil {
		return fmt.Errorf("withdraw sale %s: %w", saleID, err)
	}
	return x.Refuse(ctx, saleID, "")
}

func (x *Index) put(ctx context.Context, saleID, edition string) error {
	if err := indexPutScript.Exec(ctx, x.client, []string{indexKey}, []string{saleID, edition}).Error(); err != nil {
		return fmt.Errorf("index sale %s: %w", saleID, err)
	}
	return nil
}

// MarkComplete says that all sales of the ledger are listed.
func (x *Index) MarkComplete(ctx context.Context) error {
	if err := indexMarkScript.Exec(ctx, x.client, []string{indexKey}, nil).Error(); err != nil {
		return fmt.Errorf("mark the list of sales as complete: %w", err)
	}
	return nil
}

// Load reads the published record of a sale. Absent is no error: the sale was withdrawn.
func (x *Index) Load(ctx context.Context, saleID string) (rec sale.Record, found bool, err error) {
	data, err := x.client.Do(ctx, x.client.B().Get().Key(recordKey(saleID)).Build()).AsBytes()
	if rueidis.IsRedisNil(err) {
		return sale.Record{}, false, nil
	}
	if err != nil {
		return sale.Record{}, false, fmt.Errorf("read sale %s: %w", saleID, err)
	}
	rec, err = sale.DecodeRecord(data)
	return rec, err == nil, err
}
