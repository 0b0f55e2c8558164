// Package sales is the one way in which sales are created, changed, steered and stocked: the
// console, the API and the command line all go through it.
//
// A change is written to the ledger first. Then the leader is asked to carry it to Redis, and the
// caller waits, for a bounded time, until this node sees it there. Nothing here touches the state of
// a sale in Redis. A change that may not be carried there now is not undone: its error is [Kept], and
// what was made is returned with it.
package sales

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/saleindex"
)

const (
	// changeAttempts bounds the retries of an operator's change that met another.
	changeAttempts = 4
	// openingMargin is how long before its doors open a sale can no longer be replaced as a whole.
	openingMargin = 2 * time.Second
	// ledgerPatience is how long a reading waits for the ledger before it does without it.
	ledgerPatience = 2 * time.Second
)

// Deps is what sales works with.
type Deps struct {
	Ledger *ledger.Ledger
	Index  *saleindex.Index
	Cache  *salecache.Cache
	// MayArm returns why no sale may be armed now (code not_armed, with reasons), or nil.
	MayArm func(context.Context) error
	Log    *slog.Logger
}

// Sales is safe for concurrent use.
type Sales struct{ deps Deps }

// New returns the façade.
func New(deps Deps) *Sales { return &Sales{deps: deps} }

// List reads all sales.
func (s *Sales) List(ctx context.Context) ([]sale.Record, error) { return s.deps.Ledger.Sales(ctx) }

// Sale reads one sale from the ledger; while the ledger is down, the record that was last carried
// to Redis has to do. Codes: unknown_sale.
func (s *Sales) Sale(ctx context.Context, id string) (sale.Record, error) {
	bounded, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	rec, err := s.deps.Ledger.Sale(bounded, id)
	if err == nil || ledger.IsPermanent(err) {
		return rec, err
	}
	if entry := s.deps.Cache.Get(id); entry != nil {
		return entry.Record(), nil
	}
	return sale.Record{}, err
}

// Phase tells where a sale stands by the clock of Redis, from memory. A sale that has begun and
// whose state this node does not see in Redis is not_armed. Before Redis was heard of, the clock of
// this node has to do: the phase is then for show, and no decision rests on it.
func (s *Sales) Phase(rec sale.Record) sale.Phase {
	phase, seen := s.phase(rec)
	if phase.Begun() && !seen {
		return sale.PhaseNotArmed
	}
	return phase
}

// PhaseByClock is Phase of a sale as if its state were in Redis.
func (s *Sales) PhaseByClock(rec sale.Record) sale.Phase {
	phase, _ := s.phase(rec)
	return phase
}

// phase also tells whether this node sees the state of the sale.
func (s *Sales) phase(rec sale.Record) (phase sale.Phase, seen bool) {
	now, heard := s.deps.Cache.Now()
	if !heard {
		now = time.Now()
	}
	entry := s.deps.Cache.Get(rec.ID)
	seen = entry != nil && entry.Ready() && entry.Record().CreatedAt.Equal(rec.CreatedAt)
	return rec.PhaseAt(now, seen && entry.SoldOut()), seen
}

// Refusals tells why sales are not armed, by id; nil when that cannot be read.
func (s *Sales) Refusals(ctx context.Context) map[string]string {
	refusals, err := s.deps.Index.Refusals(ctx)
	if err != nil {
		return nil
	}
	return refusals
}

// Refusal tells why a sale is not armed; "" when nothing is known against it.
func (s *Sales) Refusal(ctx context.Context, id string) string {
	why, err := s.deps.Index.Refusal(ctx, id)
	if err != nil {
		return ""
	}
	return why
}

// Create writes a new sale to the ledger and, unless it is a draft, has it armed at once.
// Codes: not_armed (with reasons; the sale is kept, and armed as soon as it may be), sale_exists,
// unavailable.
func (s *Sales) Create(ctx context.Context, doc sale.Sale) (sale.Record, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	rec := sale.Record{Sale: doc, Version: 1, CreatedAt: now, UpdatedAt: now}
	if err := s.deps.Ledger.CreateSale(ctx, rec); err != nil {
		return sale.Record{}, err
	}
	if err := s.awaitCarried(ctx, rec); err != nil {
		return rec, err
	}
	return s.seen(rec), nil
}

// seen is the record as this node has read it, once it has: it knows the epoch.
func (s *Sales) seen(rec sale.Record) sale.Record {
	if entry := s.deps.Cache.Get(rec.ID); entry != nil && carries(entry.Record(), rec) {
		return entry.Record()
	}
	return rec
}

// Replace puts a new document in the place of a sale's. Before the doors open everything may
// change; afterwards only what takes nothing from anyone in the line: the name, the pace, the
// terms of new reservations, the end and the target. ifVersion 0 accepts any version.
// Codes: unknown_sale, conflict, sale_is_live, not_armed.
func (s *Sales) Replace(ctx context.Context, id string, doc sale.Sale, ifVersion int64) (sale.Record, error) {
	old, err := s.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return sale.Record{}, err
	}
	if ifVersion != 0 && ifVersion != old.Version {
		return sale.Record{}, problem.With(problem.Conflict, "the sale has changed since it was read; read it again")
	}
	if doc.ID != id {
		return sale.Record{}, problem.With(problem.InvalidSale, "id: the id of a sale cannot change")
	}
	if err := s.checkReplace(old, doc); err != nil {
		return sale.Record{}, err
	}
	next := old
	next.Sale = doc
	if err := s.save(ctx, &next, old.Version); err != nil {
		return sale.Record{}, err
	}
	return next, s.awaitCarried(ctx, next)
}

func (s *Sales) checkReplace(old sale.Record, doc sale.Sale) error {
	begun, err := s.begun(old)
	switch {
	case err != nil:
		return err
	case begun:
		return checkLiveChange(old.Sale, doc)
	default:
		return nil
	}
}

// begun reports whether visitors may be in the room, or were.
func (s *Sales) begun(rec sale.Record) (bool, error) {
	now, heard := s.deps.Cache.Now()
	if !heard || s.deps.Cache.Silent() {
		return false, problem.With(problem.Unavailable, "redis does not answer")
	}
	phase := rec.PhaseAt(now.Add(openingMargin), false)
	return phase.Begun() || phase == sale.PhaseEnded, nil
}

// Control changes the operator's hand: pause, resume, end, message.
// Codes: unknown_sale, sale_is_live (a sale that has ended stays ended), conflict.
func (s *Sales) Control(ctx context.Context, id string, change func(*sale.Control)) (sale.Record, error) {
	for attempt := 1; ; attempt++ {
		old, err := s.deps.Ledger.Sale(ctx, id)
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
		err = s.save(ctx, &next, old.Version)
		if errors.Is(err, problem.Conflict) && attempt < changeAttempts {
			continue
		}
		if err != nil {
			return sale.Record{}, err
		}
		return next, s.awaitCarried(ctx, next)
	}
}

// save writes the next version of a record, if the ledger still holds the expected one.
func (s *Sales) save(ctx context.Context, next *sale.Record, expectVersion int64) error {
	next.UpdatedAt = time.Now().UTC().Truncate(time.Millisecond)
	version, err := s.deps.Ledger.SaveSale(ctx, *next, expectVersion)
	next.Version = version
	return err
}

// Delete removes a sale that nobody has entered: a draft or a scheduled one.
// Codes: unknown_sale, sale_is_live.
func (s *Sales) Delete(ctx context.Context, id string) error {
	rec, err := s.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return err
	}
	begun, err := s.begun(rec)
	if err != nil {
		return err
	}
	if begun {
		return problem.With(problem.SaleIsLive, "a sale that has opened is kept with its orders; end it instead")
	}
	if err := s.deps.Ledger.DeleteSale(ctx, id); err != nil {
		return err
	}
	s.await(ctx, id, "the deletion", func() bool { return s.deps.Cache.Get(id) == nil })
	return nil
}

// GiveShare hands the share of a party to the draw of a sale. Codes: not_armed, draw_not_ready, share_refused,
// unavailable.
func (s *Sales) GiveShare(ctx context.Context, id, party, share string) error {
	entry := s.deps.Cache.Get(id)
	if entry == nil || !entry.Ready() {
		return problem.With(problem.NotArmed, "redis does not hold the sale")
	}
	return entry.Room().GiveShare(ctx, party, share)
}
