package keeper

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
)

// changeAttempts bounds the retries of an operator's change that met another.
const changeAttempts = 4

// openingMargin is how long before its doors open a sale can no longer be replaced as a whole.
const openingMargin = 2 * time.Second

// Create writes a new sale to the ledger and, unless it is a draft, arms it at once.
// Codes: sale_exists, unavailable.
func (k *Keeper) Create(ctx context.Context, s sale.Sale) (sale.Record, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	rec := sale.Record{Sale: s, Version: 1, Epoch: 1, CreatedAt: now, UpdatedAt: now}
	if err := k.deps.Ledger.CreateSale(ctx, rec); err != nil {
		return sale.Record{}, err
	}
	return rec, k.carry(ctx, rec, k.lay)
}

// carryTimeout bounds the carrying of a change to Redis, which goes on when the caller has left.
const carryTimeout = 5 * time.Second

// carry brings what the ledger already holds to Redis. When that fails the change is not lost: the
// loop does it within a second of Redis' return, so that only a refusal is an error here. A
// conflict is none: somebody else carries the same or a later version.
func (k *Keeper) carry(ctx context.Context, rec sale.Record, how func(context.Context, sale.Record) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), carryTimeout)
	defer cancel()
	err := how(ctx, rec)
	if err == nil {
		return nil
	}
	_, known := problem.Of(err)
	if known && !errors.Is(err, problem.Conflict) && !errors.Is(err, problem.Unavailable) {
		return err
	}
	k.deps.Log.Warn("a change is in the ledger and not yet in redis; it is carried there as soon as possible",
		"sale", rec.ID, "version", rec.Version, "error", err)
	return nil
}

// Sales reads all sales.
func (k *Keeper) Sales(ctx context.Context) ([]sale.Record, error) { return k.deps.Ledger.Sales(ctx) }

// Replace puts a new document in the place of a sale's. Before the doors open everything may
// change; afterwards only what takes nothing from anyone in the line: the name, the pace, the
// terms of new reservations, the end and the target. ifVersion 0 accepts any version.
// Codes: unknown_sale, conflict, sale_is_live.
func (k *Keeper) Replace(ctx context.Context, id string, s sale.Sale, ifVersion int64) (sale.Record, error) {
	old, err := k.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return sale.Record{}, err
	}
	if ifVersion != 0 && ifVersion != old.Version {
		return sale.Record{}, problem.With(problem.Conflict, "the sale has changed since it was read; read it again")
	}
	if s.ID != id {
		return sale.Record{}, problem.With(problem.InvalidSale, "id: the id of a sale cannot change")
	}
	begun, err := k.begun(ctx, old)
	if err != nil {
		return sale.Record{}, err
	}
	if begun {
		if err := checkLiveChange(old.Sale, s); err != nil {
			return sale.Record{}, err
		}
	}
	next := old
	next.Sale = s
	if err := k.save(ctx, &next, old.Version); err != nil {
		return sale.Record{}, err
	}
	if begun {
		return next, k.carry(ctx, next, k.update)
	}
	// Nobody has come in yet, so the sale is laid anew with its new stock.
	return next, k.carry(ctx, next, func(ctx context.Context, rec sale.Record) error {
		if err := k.clear(ctx, id); err != nil {
			return err
		}
		return k.lay(ctx, rec)
	})
}

// begun reports whether visitors may be in the room, or were.
func (k *Keeper) begun(ctx context.Context, rec sale.Record) (bool, error) {
	now, err := redis.Now(ctx, k.deps.Redis)
	if err != nil {
		return false, problem.With(problem.Unavailable, "redis does not answer")
	}
	phase := rec.PhaseAt(now.Add(openingMargin), false)
	return phase.Begun() || phase == sale.PhaseEnded, nil
}

// checkLiveChange refuses what may not change once the doors are open.
func checkLiveChange(old, next sale.Sale) error {
	fixed := []struct {
		field     string
		old, next any
	}{
		{"draft", old.Draft, next.Draft},
		{"opens_at", old.OpensAt.UnixMilli(), next.OpensAt.UnixMilli()},
		{"starts_at", old.StartsAt.UnixMilli(), next.StartsAt.UnixMilli()},
		{"admission.order", old.Admission.Order, next.Admission.Order},
		{"items", old.Items, next.Items},
		{"channels", old.Channels, next.Channels},
		{"payment", old.Payment, next.Payment},
		{"durability", old.Durability, next.Durability},
	}
	for _, f := range fixed {
		if !reflect.DeepEqual(f.old, f.next) {
			return problem.With(problem.SaleIsLive, f.field+" cannot change once the doors are open; the stock is changed by its own call")
		}
	}
	return nil
}

// Control changes the operator's hand: pause, resume, end, message.
// Codes: unknown_sale, sale_is_live (a sale that has ended stays ended), conflict.
func (k *Keeper) Control(ctx context.Context, id string, change func(*sale.Control)) (sale.Record, error) {
	for attempt := 1; ; attempt++ {
		old, err := k.deps.Ledger.Sale(ctx, id)
		if err != nil {
			return sale.Record{}, err
		}
		next := old
		change(&next.Control)
		if next.Control == old.Control {
			return old, nil
		}
		if old.Ended && !next.Ended {
			return sale.Record{}, problem.With(problem.SaleIsLive, "a sale that was ended stays ended")
		}
		err = k.save(ctx, &next, old.Version)
		if errors.Is(err, problem.Conflict) && attempt < changeAttempts {
			continue
		}
		if err != nil {
			return sale.Record{}, err
		}
		return next, k.carry(ctx, next, k.update)
	}
}

// save writes the next version of a record, if the ledger still holds the expected one.
func (k *Keeper) save(ctx context.Context, next *sale.Record, expectVersion int64) error {
	next.UpdatedAt = time.Now().UTC().Truncate(time.Millisecond)
	version, err := k.deps.Ledger.SaveSale(ctx, *next, expectVersion)
	next.Version = version
	return err
}

// Delete removes a sale that nobody has entered: a draft or a scheduled one.
// Codes: unknown_sale, sale_is_live.
func (k *Keeper) Delete(ctx context.Context, id string) error {
	rec, err := k.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return err
	}
	begun, err := k.begun(ctx, rec)
	if err != nil {
		return err
	}
	if begun {
		return problem.With(problem.SaleIsLive, "a sale that has opened is kept with its orders; end it instead")
	}
	if err := k.deps.Ledger.DeleteSale(ctx, id); err != nil {
		return err
	}
	return k.clear(ctx, id)
}

// clear forgets all that Redis and the journal know of a sale, so that one that is laid anew under
// its id begins from nothing.
func (k *Keeper) clear(ctx context.Context, id string) error {
	return errors.Join(k.disarm(ctx, id), k.deps.Journal.Forget(ctx, id))
}
