package front

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

// maxSlotReleases bounds the slots that are being given back at a time.
const maxSlotReleases = 1024

var errSlotsBusy = errors.New("too many slots are being given back")

// slots gives the slots of passes back to the line once their holders have ordered. It works beside the
// answers: an order is accepted whatever becomes of the slot. A pass that is not released ends by its time.
type slots struct {
	log      *slog.Logger
	failures prometheus.Counter
	lines    throttle // of the log
	working  chan struct{}
	closing  sync.Once
}

func newSlots(log *slog.Logger, failures prometheus.Counter) *slots {
	return &slots{log: log, failures: failures, working: make(chan struct{}, maxSlotReleases)}
}

// giveBack releases the pass with which an order's reservation was made, unless it holds more units: those are
// still to be ordered. A pass that was given back already, or is over, costs nothing.
func (s *slots) giveBack(entry *salecache.Entry, ticket string, passUntil time.Time) {
	number, err := strconv.ParseUint(ticket, 10, 64)
	if err != nil || !entry.Now().Before(passUntil) || !entry.Record().Admission.ReleaseOnOrder.On() {
		return
	}
	pass := queue.Pass{Sale: entry.ID(), Ticket: queue.Number(number), ID: ticket}
	if entry.Room().Revoked(pass) {
		return
	}
	select {
	case s.working <- struct{}{}:
	default:
		s.failed(pass, errSlotsBusy)
		return
	}
	go func() {
		defer func() { <-s.working }()
		if err := release(entry, pass); err != nil {
			s.failed(pass, err)
		}
	}()
}

// release asks the stock first: the two are not one step. A reservation that the pass makes in between can
// still be ordered with it.
func release(entry *salecache.Entry, pass queue.Pass) error {
	ctx, cancel := within(stageTimeout)
	defer cancel()
	holds, err := entry.Stock().Holds(ctx, pass.ID)
	if err != nil || holds {
		return err
	}
	return entry.Room().Release(ctx, pass)
}

func (s *slots) failed(pass queue.Pass, err error) {
	s.failures.Inc()
	if s.lines.allow(time.Now()) {
		s.log.Warn("the slot of a pass could not be given back after an order; it is free when the pass is over",
			"sale", pass.Sale, "ticket", pass.ID, "error", err)
	}
}

// close waits until nothing is being given back any more, or ctx ends; what comes later is not.
func (s *slots) close(ctx context.Context) {
	s.closing.Do(func() {
		for range maxSlotReleases {
			select {
			case s.working <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	})
}
