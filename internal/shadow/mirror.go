package shadow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
)

// Unseen is why a call of the shop was not decided.
type Unseen string

// The reasons.
const (
	UnseenOverflow    Unseen = "overflow"     // more calls came than could be decided
	UnseenUnavailable Unseen = "unavailable"  // the stores did not answer for too long
	UnseenStopped     Unseen = "stopped"      // the process was stopped meanwhile
	UnseenFull        Unseen = "full"         // the ledger keeps no more of them
	UnseenBody        Unseen = "body"         // the body was too large, or not sent to its end
	UnseenUnreadable  Unseen = "unreadable"   // item, quantity or customer were not where the rule says, or held a card number
	UnseenUnclear     Unseen = "unclear"      // the status of the answer says neither yes nor no
	UnseenNoAnswer    Unseen = "no_answer"    // the shop did not answer
	UnseenConflict    Unseen = "conflict"     // another call with the same reference was decided before
	UnseenNoReference Unseen = "no_reference" // a cancellation names no accepted call
)

// unseens are all of them.
var unseens = []Unseen{
	UnseenOverflow, UnseenUnavailable, UnseenStopped, UnseenFull, UnseenBody, UnseenUnreadable, UnseenUnclear,
	UnseenNoAnswer, UnseenConflict, UnseenNoReference,
}

const (
	// patience is for how long a mirrored call is tried again while the stores do not answer.
	patience = 15 * time.Second
	// retryAfter is the pause between two attempts.
	retryAfter = 200 * time.Millisecond
	// drainTimeout is how long calls that wait are still decided once the process stops.
	drainTimeout = 5 * time.Second
	// soonAfter is when the accepted calls that were answered before a refused one have been decided.
	soonAfter = 250 * time.Millisecond
)

// mirrored is a call that waits for its decision.
type mirrored struct {
	Call
	choice
	due time.Time // of the next decision of a refused call
}

// Mirror has a call decided as soon as possible. It never waits: a call for which there is no room is counted.
// A call without a key is like no other.
func (s *Shadow) Mirror(c Call) {
	if c.Key == "" {
		c.Key = randomName()
	}
	s.tally.begin(c.Sale)
	select {
	case s.calls <- &mirrored{Call: c}:
	default:
		s.end(c.Sale, UnseenOverflow)
	}
}

// Unseen counts a call of the shop that cannot be decided.
func (s *Shadow) Unseen(saleID string, why Unseen) {
	s.tally.unseen(saleID, why)
	s.metrics.unseen(why)
}

// end counts a call that was begun and was not decided.
func (s *Shadow) end(saleID string, why Unseen) {
	s.Unseen(saleID, why)
	s.tally.end(saleID)
}

// Run decides what is mirrored and keeps the counts in the ledger until ctx ends. Then it decides what is left,
// for a bounded time, and counts the rest.
func (s *Shadow) Run(ctx context.Context) error {
	deciding, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var all sync.WaitGroup
	all.Go(func() {
		defer close(s.chosen)
		s.chooseAll(ctx, deciding)
	})
	for range workers {
		all.Go(func() {
			for c := range s.chosen {
				s.finish(c, s.patiently(deciding, c, s.completeMirrored))
			}
		})
	}
	for range againWorkers {
		all.Go(func() { s.decideAgain(ctx, deciding, s.soon, false) })
		all.Go(func() { s.decideAgain(ctx, deciding, s.later, true) })
	}
	s.keepCounts(ctx)
	deadline := time.AfterFunc(drainTimeout, stop)
	defer deadline.Stop()
	all.Wait()
	s.dropRest()
	s.lastCounts()
	return nil
}

// chooseAll has the script decide in the order in which the calls came, a few at a time, until ctx has ended and none
// waits.
func (s *Shadow) chooseAll(ctx, deciding context.Context) {
	for {
		var first *mirrored
		select {
		case first = <-s.calls:
		default:
			select {
			case first = <-s.calls:
			case <-ctx.Done():
				return
			}
		}
		if deciding.Err() != nil {
			s.end(first.Sale, UnseenStopped)
			return
		}
		var all sync.WaitGroup
		for _, c := range s.withNext(first) {
			all.Go(func() { s.chooseOne(deciding, c) })
		}
		all.Wait()
	}
}

// withNext adds the calls to the first that wait behind it, up to chooseAtOnce in all.
func (s *Shadow) withNext(first *mirrored) []*mirrored {
	batch := []*mirrored{first}
	for len(batch) < chooseAtOnce {
		select {
		case c := <-s.calls:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// chooseOne has the script decide a call. A refused call for which there were units is decided again: soon, when the
// accepted calls that were answered before it have been decided, and later, when those that the shop was still working
// on have been.
func (s *Shadow) chooseOne(deciding context.Context, c *mirrored) {
	if c.Outcome == ledger.ShadowCancelled {
		s.chosen <- c
		return
	}
	known := false
	err := s.patiently(deciding, c, func(ctx context.Context, c *mirrored) (err error) {
		entry, err := s.find(c.Sale)
		if err != nil {
			return err
		}
		if _, known, err = s.known(ctx, &c.Call); err != nil || known {
			return err
		}
		c.choice, err = s.choose(ctx, entry, &c.Call)
		return err
	})
	switch {
	case err != nil || known:
		s.finish(c, err)
	case c.Outcome == ledger.ShadowRefused && c.code == "":
		s.putOff(c, s.soon, soonAfter)
	default:
		s.chosen <- c
	}
}

// completeMirrored does what is left to do of a call that the script has decided, or of a cancellation.
func (s *Shadow) completeMirrored(ctx context.Context, c *mirrored) error {
	if c.Outcome == ledger.ShadowCancelled {
		_, err := s.Decide(ctx, c.Call)
		return err
	}
	entry, err := s.find(c.Sale)
	if err != nil {
		return err
	}
	_, err = s.complete(ctx, entry, &c.Call, c.choice)
	return err
}

// errLater says that a refused call is to be decided again.
var errLater = errors.New("the call is to be decided again")

// decideRefused asks the script about a refused call again. As long as it is not the last time, units that are free
// prove nothing. The last time, units that are gone by now do not either.
func (s *Shadow) decideRefused(ctx context.Context, c *Call, last bool) error {
	entry, err := s.find(c.Sale)
	if err != nil {
		return err
	}
	chosen, err := s.choose(ctx, entry, c)
	switch {
	case err != nil:
		return err
	case chosen.code == "" && !last:
		return errLater
	case chosen.code != "" && last:
		chosen.code = ledger.ShadowUnclear
	}
	_, err = s.record(ctx, c, chosen.code)
	return err
}

func (s *Shadow) putOff(c *mirrored, to chan<- *mirrored, by time.Duration) {
	c.due = time.Now().Add(by)
	select {
	case to <- c:
	default:
		s.end(c.Sale, UnseenOverflow)
	}
}

// decideAgain decides refused calls again, each when it is due. In one list all are put off by the same time.
func (s *Shadow) decideAgain(ctx, deciding context.Context, from <-chan *mirrored, last bool) {
	for {
		select {
		case c := <-from:
			if !sleep(ctx, time.Until(c.due)) {
				s.end(c.Sale, UnseenStopped)
				continue
			}
			err := s.patiently(deciding, c, func(ctx context.Context, c *mirrored) error { return s.decideRefused(ctx, &c.Call, last) })
			if errors.Is(err, errLater) {
				s.putOff(c, s.later, s.deps.SettleAfter)
				continue
			}
			s.finish(c, err)
		case <-ctx.Done():
			return
		}
	}
}

// patiently tries again while the stores do not answer.
func (s *Shadow) patiently(ctx context.Context, c *mirrored, decide func(context.Context, *mirrored) error) error {
	for end := time.Now().Add(patience); ; {
		bounded, cancel := context.WithTimeout(ctx, patience)
		err := safely(bounded, c, decide)
		cancel()
		if err == nil || !worthAnother(err) || time.Now().After(end) || !sleep(ctx, retryAfter) {
			return err
		}
	}
}

// safely turns a panic into an error: it would end the process, and the shop's answers with it.
func safely(ctx context.Context, c *mirrored, decide func(context.Context, *mirrored) error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	return decide(ctx, c)
}

// worthAnother reports whether a later attempt may succeed. An accepted call may be recorded after the one that
// cancels it has come.
func worthAnother(err error) bool {
	for _, final := range []error{
		errLater, ledger.ErrShadowFull, problem.IdempotencyMismatch, problem.NotInShadow, problem.UnknownSale,
		problem.UnknownSKU, problem.BadRequest,
	} {
		if errors.Is(err, final) {
			return false
		}
	}
	return true
}

// finish counts what became of a call.
func (s *Shadow) finish(c *mirrored, err error) {
	switch {
	case err == nil:
		s.tally.end(c.Sale)
		return
	case errors.Is(err, ledger.ErrShadowFull):
		s.end(c.Sale, UnseenFull)
	case errors.Is(err, problem.IdempotencyMismatch):
		s.end(c.Sale, UnseenConflict)
	case errors.Is(err, problem.UnknownReference):
		s.end(c.Sale, UnseenNoReference)
	case errors.Is(err, context.Canceled):
		s.end(c.Sale, UnseenStopped)
	case errors.Is(err, problem.UnknownSKU), errors.Is(err, problem.BadRequest):
		s.end(c.Sale, UnseenUnreadable)
	default:
		s.end(c.Sale, UnseenUnavailable)
	}
	s.deps.Log.Debug("a mirrored call was not decided", "sale", c.Sale, "outcome", c.Outcome, "error", err)
}

// dropRest counts the calls that nobody decides any more.
func (s *Shadow) dropRest() {
	for {
		select {
		case c := <-s.calls:
			s.end(c.Sale, UnseenStopped)
		case c := <-s.soon:
			s.end(c.Sale, UnseenStopped)
		case c := <-s.later:
			s.end(c.Sale, UnseenStopped)
		default:
			return
		}
	}
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
