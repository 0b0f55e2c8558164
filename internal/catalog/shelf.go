// Package catalog is a node's view of the sales.
//
// It finds out which sales there are, opens the waiting room and the stock of each, and keeps the
// snapshots from which the hot paths answer at most 100 ms old. Whatever it holds may be lost at
// any time: it comes from Redis.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
)

// indexKey is a hash from the id of each armed sale to the version of its record.
const indexKey = "ps:sales"

// recordKey holds the record of one sale.
func recordKey(saleID string) string { return redis.Key(saleID, "sale") }

// Publish puts a record where every node finds it within a refresh. A record older than the one
// that is there changes nothing.
func Publish(ctx context.Context, client rueidis.Client, rec sale.Record) error {
	version := strconv.FormatInt(rec.Version, 10)
	keys := []string{recordKey(rec.ID)}
	args := []string{version, string(sale.EncodeRecord(rec))}
	current, err := publish.Exec(ctx, client, keys, args).ToString()
	if err != nil {
		return fmt.Errorf("publish sale %s: %w", rec.ID, err)
	}
	set := client.B().Hset().Key(indexKey).FieldValue().FieldValue(rec.ID, current).Build()
	if err := client.Do(ctx, set).Error(); err != nil {
		return fmt.Errorf("index sale %s: %w", rec.ID, err)
	}
	return nil
}

// Withdraw takes a sale from every node's view.
func Withdraw(ctx context.Context, client rueidis.Client, saleID string) error {
	results := client.DoMulti(ctx,
		client.B().Hdel().Key(indexKey).Field(saleID).Build(),
		client.B().Del().Key(recordKey(saleID)).Build())
	return errors.Join(results[0].Error(), results[1].Error())
}

// syncedField of the index says that every sale of the ledger has been published since Redis began
// to remember. No sale can have it for an id. It is lost together with the index.
const syncedField = ":synced"

// Index is what is published.
type Index struct {
	// Versions are the published sales.
	Versions map[string]int64
	// Synced is false while Redis may lack sales that the ledger has: a sale that is not in the
	// index is then not known to be unknown.
	Synced bool
}

// ReadIndex reads which sales are published.
func ReadIndex(ctx context.Context, client rueidis.Client) (Index, error) {
	found, err := client.Do(ctx, client.B().Hgetall().Key(indexKey).Build()).AsIntMap()
	if err != nil {
		return Index{}, fmt.Errorf("list published sales: %w", err)
	}
	_, synced := found[syncedField]
	delete(found, syncedField)
	return Index{Versions: found, Synced: synced}, nil
}

// MarkSynced says that all sales of the ledger are published.
func MarkSynced(ctx context.Context, client rueidis.Client) error {
	mark := client.B().Hset().Key(indexKey).FieldValue().FieldValue(syncedField, "1").Build()
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
