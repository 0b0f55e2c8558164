package reservation

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const (
	// keepMillis is how long a resolved reservation can be looked up (KEEP_MS in scripts/shared/record.lua).
	keepMillis = 24 * 60 * 60 * 1000

	armRecordsMost = 500
	deleteMost     = 500
)

// Arm brings a sale to Redis. Where its stock is ready, the terms, times, epoch, limits and new
// items are brought up to date and no counter changes (Allot changes stock). Where there is none,
// it is built from the sale and, after a loss, from restored; it becomes ready with the last write,
// so that a beginning that is cut off is begun anew by the next call. To rebuild over a stock that is
// ready but wrong, Disarm first.
//
// Errors: conflict when Redis has a later version of the sale or another caller arms at the same
// time; else that of Redis.
func Arm(ctx context.Context, client rueidis.Client, rec sale.Record, restored *Restored) error {
	a := arming{client: client, keys: keysOf(rec.ID, ""), rec: rec, token: rand.Text()}
	ready, nowMillis, err := a.begin(ctx)
	if err != nil {
		return fmt.Errorf("arm stock of %s: %w", rec.ID, err)
	}
	if ready {
		err = a.update(ctx)
	} else {
		err = a.load(ctx, rebuild(rec, restored, nowMillis))
	}
	if err != nil {
		return fmt.Errorf("arm stock of %s: %w", rec.ID, err)
	}
	return nil
}

type arming struct {
	client rueidis.Client
	keys   keys
	rec    sale.Record
	token  string
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// terms are what the scripts need to know of the sale.
func terms(rec sale.Record) []string {
	return []string{
		"open", flag(!rec.Draft && !rec.Ended), "paused", flag(rec.Paused),
		"starts_ms", decimal(rec.StartsAt.UnixMilli()), "ends_ms", decimal(rec.EndsAt.UnixMilli()),
		"ttl_ms", decimal(rec.Reservation.TTL.Std().Milliseconds()),
		"max_extensions", decimal(int64(rec.Reservation.MaxExtensions)),
		"per_customer", decimal(int64(rec.Reservation.PerCustomer)),
	}
}

func (a *arming) begin(ctx context.Context) (ready bool, nowMillis int64, err error) {
	keys := []string{a.keys.stock, a.keys.customers, a.keys.due, a.keys.made}
	args := append([]string{a.token, a.keys.record, decimal(a.rec.Epoch), decimal(a.rec.Version)}, terms(a.rec)...)
	const clean, updated, more, later, lost = 0, 1, 2, 3, 4
	for {
		answer, err := armScript.Exec(ctx, a.client, keys, args).AsIntSlice()
		if err != nil {
			return false, 0, err
		}
		if len(answer) != 2 {
			return false, 0, errAnswer
		}
		switch answer[0] {
		case clean, updated:
			return answer[0] == updated, answer[1], nil
		case later:
			return false, 0, problem.With(problem.Conflict, "redis has a later version of the sale")
		case lost:
			return false, 0, problem.With(problem.Unavailable, "the stock in redis is of another run of the server")
		case more:
		}
	}
}

// update brings the items to a stock that is ready.
func (a *arming) update(ctx context.Context) error {
	for part := range slices.Chunk(a.rec.Items, 20) {
		args := []string{decimal(a.rec.Epoch)}
		for _, item := range part {
			shares := shareArgs(a.rec.Sale, item)
			args = append(args, item.SKU, decimal(int64(item.PerCustomer)), strconv.Itoa(len(shares)/2))
			args = append(args, shares...)
		}
		answer, err := armItemsScript.Exec(ctx, a.client, []string{a.keys.stock}, args).AsStrSlice()
		if err != nil {
			return err
		}
		if len(answer) == 0 || answer[0] != "0" {
			return problem.With(problem.Conflict, "another caller changes the stock")
		}
		if err := a.share(ctx, answer[1:]); err != nil {
			return err
		}
	}
	return nil
}

// share divides the units of items whose channels have changed anew.
func (a *arming) share(ctx context.Context, skus []string) error {
	if len(skus) == 0 {
		return nil
	}
	raw, err := readStock(ctx, a.client, a.keys)
	if err != nil {
		return err
	}
	for _, sku := range skus {
		if _, err := allot(ctx, a.client, a.keys, a.rec, sku, raw.total(sku).Allocated); err != nil {
			return err
		}
	}
	return nil
}

// load writes a whole stock in bounded parts, ready last.
func (a *arming) load(ctx context.Context, b *rebuilt) error {
	if err := a.loadFields(ctx, a.keys.customers, b.customerFields()); err != nil {
		return err
	}
	for part := range slices.Chunk(b.entries, armRecordsMost) {
		if err := a.loadRecords(ctx, part); err != nil {
			return err
		}
	}
	if err := a.loadFields(ctx, a.keys.stock, b.fields(a.rec)); err != nil {
		return err
	}
	return a.loadFields(ctx, a.keys.stock, []string{"ready", "1"})
}

func (a *arming) loadFields(ctx context.Context, key string, fields []string) error {
	for part := range slices.Chunk(fields, unpackMost) {
		if err := a.put(ctx, []string{a.keys.stock, key}, append([]string{a.token, "fields"}, part...)); err != nil {
			return err
		}
	}
	return nil
}

func (a *arming) loadRecords(ctx context.Context, entries []entry) error {
	keys := []string{a.keys.stock, a.keys.due, a.keys.made}
	args := []string{a.token, "records"}
	for i := range entries {
		e := &entries[i]
		due, keep := "0", "0"
		switch {
		case e.status == letterHeld:
			due = decimal(e.expires)
		case e.committed > 0:
			keep = decimal(keepMillis)
		}
		keys = append(keys, a.keys.record+e.core)
		args = append(args, e.core, due, e.text(), keep)
	}
	return a.put(ctx, keys, args)
}

func (a *arming) put(ctx context.Context, keys, args []string) error {
	done, err := armLoadScript.Exec(ctx, a.client, keys, args).AsInt64()
	if err == nil && done != 1 {
		return problem.With(problem.Conflict, "another caller arms the sale")
	}
	return err
}

// Disarm removes everything of a sale's stock from Redis, reservations and outbox included. It walks
// through the key space, in bounded steps.
func Disarm(ctx context.Context, client rueidis.Client, saleID string) error {
	k := keysOf(saleID, "")
	fixed := []string{k.stock, k.due, k.made, k.customers, k.orderKeys, k.outbox}
	if err := remove(ctx, client, fixed); err != nil {
		return fmt.Errorf("disarm stock of %s: %w", saleID, err)
	}
	for _, node := range client.Nodes() {
		if err := removeRecords(ctx, client, node, k.record); err != nil {
			return fmt.Errorf("disarm stock of %s: %w", saleID, err)
		}
	}
	return nil
}

func remove(ctx context.Context, client rueidis.Client, names []string) error {
	if len(names) == 0 {
		return nil
	}
	return client.Do(ctx, client.B().Unlink().Key(names...).Build()).Error()
}

func removeRecords(ctx context.Context, client, node rueidis.Client, prefix string) error {
	var cursor uint64
	for {
		page, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(prefix+"*").Count(deleteMost).Build()).AsScanEntry()
		if err != nil {
			return err
		}
		for part := range slices.Chunk(page.Elements, deleteMost) {
			if err := remove(ctx, client, part); err != nil {
				return err
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			return nil
		}
	}
}
