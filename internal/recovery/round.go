package recovery

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/saleindex"
)

// work is one term's view of what is to be done. Only Run's goroutine touches it, but for jobs.
type work struct {
	*Recovery
	term   int64
	sales  map[string]*saleState
	asked  int64     // how often the leader had been asked when the ledger was read last
	readAt time.Time // when that was
	// index is the list as it was read last, with its editions.
	index saleindex.View
	// consideredAt is when the sales were last looked at; zero when something has changed since.
	consideredAt time.Time
	failing      bool
	slots        chan struct{}
	done         chan outcome
	jobs         sync.WaitGroup
}

// saleState is what the task knows of one sale of the ledger.
type saleState struct {
	rec     sale.Record
	listed  saleindex.Edition
	working bool
	retryAt time.Time
	pause   time.Duration
	carried saleindex.Edition // the last edition that was carried to Redis
}

// outcome is how the work on one sale ended.
type outcome struct {
	id      string
	carried sale.Record
	err     error
}

// tick looks whether something is to be done, and starts it.
func (w *work) tick(ctx context.Context) {
	asked := w.deps.Sales.Asked()
	if asked != w.asked || time.Since(w.readAt) >= ledgerEvery {
		err := w.read(ctx)
		w.report(ctx, err)
		if err != nil {
			return
		}
		w.asked, w.consideredAt = asked, time.Time{}
	}
	now := time.Now()
	if now.Sub(w.consideredAt) < considerEvery {
		return
	}
	w.consideredAt = now
	for id, s := range w.sales {
		if !s.working && !now.Before(s.retryAt) {
			w.consider(ctx, id, s)
		}
	}
}

func (w *work) report(ctx context.Context, err error) {
	switch {
	case err != nil && !w.failing && ctx.Err() == nil:
		w.deps.Log.Warn("redis cannot be brought in line with the ledger; it is tried again", "error", err)
	case err == nil && w.failing:
		w.deps.Log.Info("redis is being brought in line with the ledger again")
	}
	w.failing = err != nil
}

// read learns which sales the ledger has, and lists them for the nodes.
func (w *work) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	w.readAt = time.Now()
	versions, err := w.deps.Ledger.SaleVersions(ctx)
	if err != nil {
		return err
	}
	if err := w.look(ctx); err != nil {
		return err
	}
	if err := w.readRecords(ctx, versions, w.index.Editions); err != nil {
		return err
	}
	if err := w.list(ctx, versions, &w.index); err != nil {
		return err
	}
	if w.index.Complete() {
		return nil
	}
	return w.deps.Index.MarkComplete(ctx)
}

// look reads the list; its editions only when they have changed. A list that was not complete says
// nothing of the next.
func (w *work) look(ctx context.Context) error {
	known := ""
	if w.index.Complete() {
		known = w.index.Change
	}
	view, err := w.deps.Index.Look(ctx, known, saleindex.Report{})
	if err != nil {
		return err
	}
	if view.Editions == nil {
		view.Editions = w.index.Editions
	}
	w.index = view
	return nil
}

// readRecords reads what has changed in the ledger. What is listed differs from what is known also
// when another sale was created under its id, with the same version.
func (w *work) readRecords(ctx context.Context, versions map[string]int64, listed map[string]saleindex.Edition) error {
	var unread []string
	for id, version := range versions {
		s := w.sales[id]
		if s == nil || s.rec.Version != version || !listed[id].IsZero() && listed[id] != saleindex.EditionOf(s.rec) {
			unread = append(unread, id)
		}
	}
	if len(unread) > manyUnread {
		records, err := w.deps.Ledger.Sales(ctx)
		for _, rec := range records {
			w.know(rec)
		}
		return err
	}
	for _, id := range unread {
		rec, err := w.deps.Ledger.Sale(ctx, id)
		if err != nil {
			return err
		}
		w.know(rec)
	}
	return nil
}

func (w *work) know(rec sale.Record) {
	s := w.sales[rec.ID]
	if s == nil {
		s = &saleState{}
		w.sales[rec.ID] = s
	}
	s.rec = rec
}

// list brings the published records in line: new ones appear, deleted ones go. While the list is not
// complete nothing of it is relied on: a record may be lost that is listed.
func (w *work) list(ctx context.Context, versions map[string]int64, view *saleindex.View) error {
	for id, s := range w.sales {
		s.listed = view.Editions[id]
		if _, there := versions[id]; !there && !s.working {
			delete(w.sales, id)
		}
	}
	for id, s := range w.sales {
		if _, there := versions[id]; !there || !wanted(s.rec) {
			continue
		}
		// A new version of a sale that the nodes know is listed once it is carried to its state, so
		// that nobody acts on what the scripts do not know.
		if view.Complete() && s.listed.CreatedMillis == s.rec.CreatedAt.UnixMilli() {
			continue
		}
		if err := w.deps.Index.Publish(ctx, s.rec); err != nil {
			return err
		}
		s.listed = saleindex.EditionOf(s.rec)
	}
	for id := range view.Editions {
		if _, kept := versions[id]; kept {
			continue
		}
		if err := w.remove(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether a sale belongs into Redis.
func wanted(rec sale.Record) bool {
	return !rec.Draft && time.Since(rec.EndsAt) <= keepEnded
}

// consider decides from memory whether a sale needs work, and starts it.
func (w *work) consider(ctx context.Context, id string, s *saleState) {
	step := w.need(id, s)
	if step == nil {
		return
	}
	select {
	case w.slots <- struct{}{}:
	default:
		w.consideredAt = time.Time{} // the next tick may find room
		return
	}
	s.working = true
	rec := s.rec
	w.jobs.Go(func() {
		carried, err := step(ctx, rec)
		<-w.slots
		select {
		case w.done <- outcome{id: id, carried: carried, err: err}:
		case <-ctx.Done():
		}
	})
}

// step is the work on one sale. It returns the record as it is in Redis now.
type step func(ctx context.Context, rec sale.Record) (sale.Record, error)

// need picks the step that a sale needs; nil for none.
func (w *work) need(id string, s *saleState) step {
	if !wanted(s.rec) {
		if s.listed.IsZero() {
			return nil
		}
		return w.takeOff
	}
	edition := saleindex.EditionOf(s.rec)
	entry := w.deps.Sales.Get(id)
	switch {
	case s.carried != edition:
		return w.carry
	case entry == nil || saleindex.EditionOf(entry.Record()) != edition:
		return nil // this node has not read it yet
	case !entry.Ready():
		return w.carry
	default:
		return nil
	}
}

// settle notes how the work on a sale ended.
func (w *work) settle(one outcome) error {
	s := w.sales[one.id]
	if s == nil {
		return nil
	}
	s.working, w.consideredAt = false, time.Time{}
	var old *redis.OldTermError
	switch {
	case errors.As(one.err, &old):
		return one.err
	case one.err != nil:
		if s.pause == 0 {
			w.deps.Log.Warn("a sale cannot be brought to redis; it is tried again", "sale", one.id, "error", one.err)
		}
		s.pause = min(max(2*s.pause, retryFirst), retryMost)
		s.retryAt = time.Now().Add(s.pause)
		return nil
	case s.pause > 0:
		w.deps.Log.Info("the sale is in redis", "sale", one.id)
	}
	s.pause = 0
	if one.carried.ID == "" {
		s.carried, s.listed = saleindex.Edition{}, saleindex.Edition{}
		return nil
	}
	s.carried, s.listed = saleindex.EditionOf(one.carried), saleindex.EditionOf(one.carried)
	if one.carried.CreatedAt.Equal(s.rec.CreatedAt) {
		s.rec.Epoch = max(s.rec.Epoch, one.carried.Epoch) // the document may have a new version meanwhile
	}
	return nil
}
