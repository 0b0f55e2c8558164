// Package saleindex is the list of the sales that are published to the nodes, kept in Redis.
//
// The leader writes it, every node reads it. It can be lost with Redis, and then says so: a sale
// that is missing from an index that is not complete may exist all the same.
package saleindex

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
)

// indexKey is a hash from the id of each armed sale to the edition of its record.
const indexKey = "ps:sales"

// recordKey holds the record of one sale.
func recordKey(saleID string) string { return redis.Key(saleID, "sale") }

// Publish puts a record where every node finds it within a refresh. A record older than the one
// that is there changes nothing.
func Publish(ctx context.Context, client rueidis.Client, rec sale.Record) error {
	keys := []string{recordKey(rec.ID)}
	args := []string{strconv.FormatInt(rec.Version, 10), string(sale.EncodeRecord(rec))}
	current, err := publish.Exec(ctx, client, keys, args).AsInt64()
	if err != nil {
		return fmt.Errorf("publish sale %s: %w", rec.ID, err)
	}
	if current != rec.Version {
		return nil
	}
	set := client.B().Hset().Key(indexKey).FieldValue().FieldValue(rec.ID, EditionOf(rec).text()).Build()
	if err := client.Do(ctx, set).Error(); err != nil {
		return fmt.Errorf("index sale %s: %w", rec.ID, err)
	}
	return nil
}

// Edition tells one state of a sale's record from another, and one sale from a later one that was
// created under the same id.
type Edition struct {
	Version       int64
	CreatedMillis int64
}

// EditionOf returns the edition of a record.
func EditionOf(rec sale.Record) Edition {
	return Edition{Version: rec.Version, CreatedMillis: rec.CreatedAt.UnixMilli()}
}

func (e Edition) text() string {
	return strconv.FormatInt(e.Version, 10) + "@" + strconv.FormatInt(e.CreatedMillis, 10)
}

// parseEdition reads what text wrote; anything else is no edition of any sale.
func parseEdition(text string) Edition {
	version, created, _ := strings.Cut(text, "@")
	v, errVersion := strconv.ParseInt(version, 10, 64)
	c, errCreated := strconv.ParseInt(created, 10, 64)
	if errVersion != nil || errCreated != nil {
		return Edition{}
	}
	return Edition{Version: v, CreatedMillis: c}
}

// Withdraw takes a sale from every node's view.
func Withdraw(ctx context.Context, client rueidis.Client, saleID string) error {
	results := client.DoMulti(ctx,
		client.B().Hdel().Key(indexKey).Field(saleID).Build(),
		client.B().Del().Key(recordKey(saleID)).Build())
	return errors.Join(results[0].Error(), results[1].Error())
}

// runField of the index says that every sale of the ledger has been published since Redis began to
// remember, and in which run of the server that was. No sale can have it for an id.
const runField = ":run"

// unnamedRun stands for a run that has no name.
const unnamedRun = "-"

// Index is what is published.
type Index struct {
	// Editions are the published sales.
	Editions map[string]Edition
	// Synced is false while Redis may lack sales that the ledger has: a sale that is not in the
	// index is then not known to be unknown.
	Synced bool
	// Run is the run of the server in which that was so; "" when it has no name.
	Run string
}

// ReadIndex reads which sales are published.
func Read(ctx context.Context, client rueidis.Client) (Index, error) {
	found, err := client.Do(ctx, client.B().Hgetall().Key(indexKey).Build()).AsStrMap()
	if err != nil {
		return Index{}, fmt.Errorf("list published sales: %w", err)
	}
	index := Index{Editions: make(map[string]Edition, len(found))}
	for id, text := range found {
		if id == runField {
			index.Synced, index.Run = true, strings.TrimPrefix(text, unnamedRun)
			continue
		}
		index.Editions[id] = parseEdition(text)
	}
	return index, nil
}

// MarkSynced says that all sales of the ledger are published, as of this run of the server.
func MarkSynced(ctx context.Context, client rueidis.Client, run string) error {
	if run == "" {
		run = unnamedRun
	}
	mark := client.B().Hset().Key(indexKey).FieldValue().FieldValue(runField, run).Build()
	if err := client.Do(ctx, mark).Error(); err != nil {
		return fmt.Errorf("mark the published sales as complete: %w", err)
	}
	return nil
}

// Load reads the published record of a sale. Absent is no error: the sale was withdrawn.
func Load(ctx context.Context, client rueidis.Client, saleID string) (rec sale.Record, found bool, err error) {
	data, err := client.Do(ctx, client.B().Get().Key(recordKey(saleID)).Build()).AsBytes()
	if rueidis.IsRedisNil(err) {
		return sale.Record{}, false, nil
	}
	if err != nil {
		return sale.Record{}, false, fmt.Errorf("read sale %s: %w", saleID, err)
	}
	rec, err = sale.DecodeRecord(data)
	return rec, err == nil, err
}
