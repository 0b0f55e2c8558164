package notify

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

const (
	readPage = 1000
	// readPages bounds what one step reads, so that a term that begins with many wishes sends in between.
	readPages  = 20
	settlePage = 500
	// pauseBefore is when a wish is looked at again whose visitor can neither claim nor has missed the turn.
	pauseBefore = time.Second
	// maxAttempts bounds the calls for one wish, besides the time to claim.
	maxAttempts  = 8
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = 15 * time.Second
	// tooShort is how much of the time to claim must be left.
	tooShort = time.Second
)

var errPlain = errors.New("the webhook is not https")

// shift is what one leader knows in one term. Only its calls run beside its steps.
type shift struct {
	t       *Teller
	last    int64 // the number of the last wish that was read
	readAt  time.Time
	hasRead bool
	lines   map[string]*line

	calls sync.WaitGroup
	mu    sync.Mutex
	over  []result // of calls, for the next step
}

// result is what became of a call.
type result struct {
	line     *line
	receiver *receiver
	item     *item
	outcome  outcome
	delay    time.Duration // from the visitor's call
}

func newShift(t *Teller) *shift { return &shift{t: t, lines: make(map[string]*line)} }

// step reads what is new, takes the results of calls, and begins calls for those whose turn it is. What the ledger
// does not do now is tried again with the next step.
func (s *shift) step(ctx context.Context) error {
	s.collect()
	failed := []error{s.read(ctx), s.settle(ctx)}
	waiting := 0
	for id, l := range s.lines {
		entry := s.t.deps.Sales.Get(id)
		switch {
		case entry == nil && s.t.deps.Sales.Complete(), entry != nil && entry.Phase() == sale.PhaseEnded:
			failed = append(failed, s.close(ctx, l))
		case entry != nil && entry.Ready():
			failed = append(failed, s.serve(ctx, l, entry))
		}
		waiting += len(l.known)
	}
	s.t.metrics.waiting.Set(float64(waiting))
	return errors.Join(failed...)
}

// read takes up the wishes that were added since. While no sale offers anything, and nobody waits, nothing is read.
func (s *shift) read(ctx context.Context) error {
	if time.Since(s.readAt) < readEvery || s.hasRead && len(s.lines) == 0 && !s.offered() {
		return nil
	}
	for range readPages {
		rows, err := s.t.deps.Ledger.NotificationsAfter(ctx, s.last, readPage)
		if err != nil {
			return err
		}
		for i := range rows {
			s.add(&rows[i])
			s.last = rows[i].Seq
		}
		if len(rows) < readPage {
			s.readAt = time.Now()
			break
		}
	}
	s.hasRead = true
	return nil
}

func (s *shift) offered() bool {
	for _, entry := range s.t.deps.Sales.All() {
		if rec := entry.Record(); rec.Notify.On() {
			return true
		}
	}
	return false
}

func (s *shift) add(row *ledger.Notification) {
	l := s.lines[row.Sale]
	if l == nil {
		l = newLine(row.Sale)
		s.lines[row.Sale] = l
	}
	l.add(row, s.t.deps.Sales.Get(row.Sale))
}

// overgrown reports that wishes were taken back so often that more is kept of them than the ledger has.
func (s *shift) overgrown() bool {
	for _, l := range s.lines {
		if int64(len(l.known)) > 2*s.t.deps.MaxPerSale {
			return true
		}
	}
	return false
}

// collect takes the results of calls.
func (s *shift) collect() {
	s.mu.Lock()
	over := s.over
	s.over = nil
	s.mu.Unlock()
	for _, r := range over {
		r.receiver.busy--
		out := r.outcome
		if out.err != nil {
			s.t.deps.Log.Debug("a notification was not taken", "sale", r.line.saleID, "receiver", r.receiver.name, "outcome", string(out.verdict), "error", out.err)
		}
		if out.verdict == impossible && !r.receiver.warned {
			r.receiver.warned = true
			s.t.deps.Log.Warn("visitors of a sale cannot be told of their turn", "sale", r.line.saleID, "receiver", r.receiver.name, "error", out.err)
		}
		switch out.verdict {
		case tryAgain:
			if r.item.attempts++; r.item.attempts >= maxAttempts {
				s.finish(r.line, r.item, refused)
				continue
			}
			s.t.metrics.count(r.item.way, tryAgain)
			r.receiver.later(r.item, max(out.after, backoff(r.item.attempts)))
		case told:
			s.t.metrics.took(r.item.way, r.delay)
			s.finish(r.line, r.item, told)
		default:
			s.finish(r.line, r.item, out.verdict)
		}
	}
}

func backoff(attempts int) time.Duration {
	return min(firstBackoff<<min(attempts-1, 10), maxBackoff)
}

// finish has a wish removed.
func (s *shift) finish(l *line, it *item, v verdict) {
	s.t.metrics.count(it.way, v)
	l.finished = append(l.finished, it.seq)
	l.forget(it)
}

// settle removes from the ledger the wishes that are done with.
func (s *shift) settle(ctx context.Context) error {
	for _, l := range s.lines {
		for len(l.finished) > 0 {
			page := l.finished[:min(len(l.finished), settlePage)]
			if err := s.t.deps.Ledger.DeleteNotifications(ctx, l.saleID, page); err != nil {
				return err
			}
			l.finished = l.finished[len(page):]
		}
		if len(l.known) == 0 && !l.busy() {
			delete(s.lines, l.saleID)
		}
	}
	return nil
}

// close removes all wishes of a sale that has ended.
func (s *shift) close(ctx context.Context, l *line) error {
	if err := s.t.deps.Ledger.DropNotifications(ctx, l.saleID); err != nil {
		return err
	}
	delete(s.lines, l.saleID)
	return nil
}

// end gives up the calls under way, and removes what was told.
func (s *shift) end() {
	s.calls.Wait()
	s.collect()
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	if err := s.settle(ctx); err != nil {
		s.t.deps.Log.Debug("what was told is told again by the next leader", "error", err)
	}
	s.t.metrics.waiting.Set(0)
}

// serve begins calls to each receiver of a sale, as many as it may have.
func (s *shift) serve(ctx context.Context, l *line, entry *salecache.Entry) error {
	l.follow(entry)
	var failed []error
	for _, r := range l.receivers {
		due := l.take(r, entry, func(it *item, v verdict) { s.finish(l, it, v) })
		if len(due) == 0 {
			continue
		}
		seqs := make([]int64, len(due))
		for i, it := range due {
			seqs[i] = it.seq
		}
		rows, err := s.t.deps.Ledger.NotificationsWith(ctx, seqs)
		if err != nil {
			for _, it := range due {
				r.later(it, 0)
			}
			failed = append(failed, err)
			continue
		}
		bySeq := make(map[int64]*ledger.Notification, len(rows))
		for i := range rows {
			bySeq[rows[i].Seq] = &rows[i]
		}
		for _, it := range due {
			if row := bySeq[it.seq]; row != nil {
				s.tell(ctx, l, r, it, row, entry)
			} else {
				l.forget(it) // taken back
			}
		}
	}
	return errors.Join(failed...)
}

// tell begins the call for a wish, if its visitor may claim now.
func (s *shift) tell(ctx context.Context, l *line, r *receiver, it *item, row *ledger.Notification, entry *salecache.Entry) {
	w, err := readWish(s.t.deps.Seals, row)
	if err != nil {
		s.t.deps.Log.Warn("a notification cannot be read and is removed", "sale", l.saleID, "error", err)
		s.finish(l, it, impossible)
		return
	}
	rec, view, now := entry.Record(), entry.Room().Look(w.Ticket, entry.Phase(), entry.HeldOut()), entry.Now()
	left := view.ClaimBefore.Sub(now)
	switch {
	case view.State == queue.Admitted || view.State == queue.Missed || view.State == queue.Ended:
		s.finish(l, it, verdictOf(view.State))
		return
	case view.State != queue.Called:
		r.later(it, pauseBefore)
		return
	case left < tooShort:
		s.finish(l, it, tooLate)
		return
	case w.way() == Push && !rec.Notify.WebPush, w.way() == Email && rec.Notify.WebhookURL == "":
		s.finish(l, it, impossible)
		return
	}
	done, err := r.breaker.Allow()
	if err != nil {
		r.later(it, pauseBefore)
		return
	}
	r.busy++
	s.calls.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, min(left, callTimeout))
		defer cancel()
		out := s.t.send(ctx, &rec, &w, view.ClaimBefore, now)
		switch {
		case out.verdict != tryAgain:
			done(nil)
		default:
			done(errTryAgain)
		}
		called := view.ClaimBefore.Add(-rec.Admission.ClaimWindow.Std())
		s.mu.Lock()
		s.over = append(s.over, result{line: l, receiver: r, item: it, outcome: out, delay: entry.Now().Sub(called)})
		s.mu.Unlock()
	})
}

var errTryAgain = errors.New("the receiver does not take it now")

// verdictOf is for somebody who need not be told any more.
func verdictOf(state queue.State) verdict {
	if state == queue.Admitted {
		return needless
	}
	return tooLate
}
