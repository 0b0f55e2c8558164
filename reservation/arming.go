package reservation

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
)

// Arming is a stock that is being put into Redis. It is not ready, and refuses everybody, until
// Finish. An error ends the arming: begin anew. It is not safe for concurrent use.
type Arming struct {
	client rueidis.Client
	keys   keys
	plan   *plan
	token  string
	term   string
}

// Begin starts to put the stock of a sale into Redis. For a sale that was never sold Finish(nil)
// follows; after a loss all orders are added with Orders, and Finish gets the reservations of the
// journal. What an arming that was cut off has left is removed first. The term is that of the
// calling leader.
//
// Errors: *redis.OldTermError; conflict when a stock is ready there (Wipe it first); else that of
// Redis.
func Begin(ctx context.Context, client rueidis.Client, rec sale.Record, term int64) (*Arming, error) {
	a := &Arming{client: client, keys: keysOf(rec.ID, ""), plan: newPlan(rec), token: rand.Text(), term: decimal(term)}
	if err := wipe(ctx, client, a.keys, term, false); err != nil {
		return nil, a.failed(err)
	}
	args := append([]string{a.token, a.term, a.plan.epoch, decimal(rec.Version)}, terms(rec)...)
	answer, err := beginScript.Exec(ctx, client, a.keys.whole(), args).AsIntSlice()
	switch {
	case err != nil:
		return nil, a.failed(err)
	case len(answer) != 1 || answer[0] != answerOK:
		return nil, a.failed(cmp.Or(laterTerm(answer), errOthersArm()))
	}
	return a, nil
}

func (a *Arming) failed(err error) error {
	return fmt.Errorf("arm stock of %s: %w", a.plan.rec.ID, err)
}

// armRecordsMost is how many reservations one script call adds.
const armRecordsMost = 500

// Orders adds a page of orders, those of the ledger and those that are still in the order log, in
// any order. One that is named twice is counted once.
//
// Errors: *redis.OldTermError; conflict when another caller arms; unavailable when the server runs
// anew; unknown_reservation for an order that is not of this sale; else that of Redis.
func (a *Arming) Orders(ctx context.Context, page []RestoredOrder) error {
	for part := range slices.Chunk(page, armRecordsMost) {
		entries := make([]armEntry, len(part))
		for i := range part {
			var err error
			if entries[i], err = a.orderEntry(&part[i]); err != nil {
				return a.failed(fmt.Errorf("order of %.128q: %w", part[i].ReservationID, err))
			}
		}
		if err := a.add(ctx, entries); err != nil {
			return a.failed(err)
		}
	}
	return nil
}

// Finish adds the reservations that are held by the journal and not ordered, works out what is
// available, and makes the stock ready with the last write. Errors: those of Orders.
func (a *Arming) Finish(ctx context.Context, from *Folded) error {
	if err := a.addFolded(ctx, from); err != nil {
		return a.failed(err)
	}
	if err := a.bind(ctx, from); err != nil {
		return a.failed(err)
	}
	raw, err := readStock(ctx, a.client, a.keys)
	if err != nil {
		return a.failed(err)
	}
	fields, unplaced := stockFields(a.plan, raw)
	if err := a.putFields(ctx, fields, unplaced); err != nil {
		return a.failed(err)
	}
	return nil
}

// armEntry is a record on its way into Redis. Its units are counted in the pools of a channel that
// may be anyChannel.
type armEntry struct {
	core, channel string
	record
}

func (a *Arming) addFolded(ctx context.Context, from *Folded) error {
	entries := make([]armEntry, 0, armRecordsMost)
	for core, r := range from.records() {
		r.channel = a.plan.poolWord(firstSKU(r.lines), channelOf(r.channel))
		if entries = append(entries, armEntry{core: core, channel: r.channel, record: r}); len(entries) == armRecordsMost {
			if err := a.add(ctx, entries); err != nil {
				return err
			}
			entries = entries[:0]
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return a.add(ctx, entries)
}

func (a *Arming) add(ctx context.Context, entries []armEntry) error {
	keys := append(make([]string, 0, 4+len(entries)), a.keys.stock, a.keys.customers, a.keys.due, a.keys.made)
	args := append(make([]string, 0, 3+2*len(entries)), a.token, a.term, a.plan.recordsLength)
	for i := range entries {
		e := &entries[i]
		keys = append(keys, a.plan.records+e.core)
		args = append(args, e.text(), e.channel)
	}
	return a.run(ctx, armRecordsScript, keys, args)
}

// bind tells to whom the passes belong that have reserved.
func (a *Arming) bind(ctx context.Context, from *Folded) error {
	const words = 4 // a pass
	for part := range slices.Chunk(from.boundArgs(), words*armRecordsMost) {
		args := append([]string{a.token, a.term}, part...)
		if err := a.run(ctx, armBoundScript, []string{a.keys.stock, a.keys.customers, a.keys.due}, args); err != nil {
			return err
		}
	}
	return nil
}

func (a *Arming) putFields(ctx context.Context, fields, remove []string) error {
	for {
		n := min(len(fields), unpackMost)
		last := n == len(fields)
		args := append([]string{a.token, a.term, flag(last), strconv.Itoa(len(remove))}, remove...)
		if err := a.run(ctx, armFieldsScript, []string{a.keys.stock}, append(args, fields[:n]...)); err != nil || last {
			return err
		}
		fields, remove = fields[n:], nil
	}
}

func (a *Arming) run(ctx context.Context, script *redis.Script, keys, args []string) error {
	answer, err := script.Exec(ctx, a.client, keys, args).AsIntSlice()
	switch {
	case err != nil:
		return err
	case len(answer) == 1 && answer[0] == answerOK:
		return nil
	case len(answer) == 1 && answer[0] == answerLost:
		return problem.With(problem.Unavailable, "the redis server runs anew")
	}
	return cmp.Or(laterTerm(answer), errOthersArm())
}

func errOthersArm() error { return problem.With(problem.Conflict, "another caller arms the sale") }
