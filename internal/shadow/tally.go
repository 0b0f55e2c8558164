package shadow

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/ledger"
)

const (
	// keepEvery is how often counts that have changed are written to the ledger.
	keepEvery = time.Second
	// beatEvery is how often a run says that it is alive while a sale goes on.
	beatEvery = 5 * time.Second
	// SilentAfter is when a run that said nothing is taken for one that died.
	SilentAfter = 30 * time.Second
	// keepTimeout bounds one round of writing.
	keepTimeout = 5 * time.Second
)

// counts is what a run has counted of a sale beside the calls that it recorded.
type counts struct {
	// Gate counts the requests at the gate by what would have become of them.
	Gate map[string]int64 `json:"gate,omitempty"`
	// NotSeen counts the calls of the shop that were not decided.
	NotSeen map[Unseen]int64 `json:"not_seen,omitempty"`
	// Others counts the calls about items that are not in the sale.
	Others int64 `json:"others,omitempty"`
	// Pending is how many calls wait for their decision.
	Pending int64 `json:"pending,omitempty"`
}

func (c *counts) clone() counts {
	return counts{Gate: maps.Clone(c.Gate), NotSeen: maps.Clone(c.NotSeen), Others: c.Others, Pending: c.Pending}
}

// tally holds the counts of a run by sale: only sales that exist, and a few names each.
type tally struct {
	mu     sync.Mutex
	bySale map[string]*tallied
}

type tallied struct {
	counts
	changed bool
	ended   bool      // what was written last says that nothing is missing
	written time.Time // when it was written last
}

func newTally() *tally { return &tally{bySale: make(map[string]*tallied)} }

func (t *tally) change(saleID string, do func(c *counts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.bySale[saleID]
	if one == nil {
		one = &tallied{counts: counts{Gate: make(map[string]int64), NotSeen: make(map[Unseen]int64)}}
		t.bySale[saleID] = one
	}
	do(&one.counts)
	one.changed = true
}

func (t *tally) begin(saleID string) { t.change(saleID, func(c *counts) { c.Pending++ }) }
func (t *tally) end(saleID string)   { t.change(saleID, func(c *counts) { c.Pending-- }) }
func (t *tally) other(saleID string) { t.change(saleID, func(c *counts) { c.Others++ }) }

func (t *tally) unseen(saleID string, why Unseen) {
	t.change(saleID, func(c *counts) { c.NotSeen[why]++ })
}

func (t *tally) gate(saleID, verdict string) {
	t.change(saleID, func(c *counts) { c.Gate[verdict]++ })
}

// GateVerdict is what would have become of a request at the gate, and why. The reason is one of few codes.
type GateVerdict struct {
	Admit  bool
	Reason string // of whoever would not have been admitted
}

// String is the form of the header Penstock-Shadow.
func (v GateVerdict) String() string {
	if v.Admit {
		return "admit"
	}
	return "wait;reason=" + v.Reason
}

// Gate counts a request at the gate of a sale.
func (s *Shadow) Gate(saleID string, v GateVerdict) {
	s.tally.gate(saleID, v.String())
	s.metrics.gate(v)
}

// OtherItems counts a call of the shop about items that the sale does not have.
func (s *Shadow) OtherItems(saleID string) { s.tally.other(saleID) }

// keepCounts writes the counts to the ledger until ctx ends. A run says that it is there before anything can be
// lost with it.
func (s *Shadow) keepCounts(ctx context.Context) {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		s.keepOnce(ctx, false)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lastCounts says that nothing more comes of this run.
func (s *Shadow) lastCounts() {
	s.keepOnce(context.Background(), true)
}

func (s *Shadow) keepOnce(ctx context.Context, last bool) {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	s.tally.forget(func(saleID string) bool { return s.deps.Sales.Get(saleID) == nil && s.deps.Sales.Complete() })
	live := s.liveSales()
	for saleID := range live {
		s.tally.notice(saleID)
	}
	for _, run := range s.tally.due(live, last, time.Now()) {
		run.Run = s.run
		if err := s.deps.Ledger.SaveShadowRun(ctx, run.ShadowRun); err != nil {
			s.deps.Log.Debug("the counts of a sale in shadow mode are not kept yet", "sale", run.Sale, "error", err)
			s.tally.again(run.Sale)
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// liveSales are the sales in shadow mode that have begun and have not ended.
func (s *Shadow) liveSales() map[string]bool {
	live := map[string]bool{}
	for _, entry := range s.deps.Sales.All() {
		if rec := entry.Record(); rec.Shadow && entry.Phase().Begun() {
			live[rec.ID] = true
		}
	}
	return live
}

// notice makes sure that a sale is in the tally.
func (t *tally) notice(saleID string) {
	t.mu.Lock()
	_, there := t.bySale[saleID]
	t.mu.Unlock()
	if !there {
		t.change(saleID, func(*counts) {})
	}
}

// forget drops the sales that are gone.
func (t *tally) forget(gone func(saleID string) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.bySale, func(saleID string, _ *tallied) bool { return gone(saleID) })
}

func (t *tally) again(saleID string) { t.change(saleID, func(*counts) {}) }

type dueRun struct{ ledger.ShadowRun }

// due returns what is to be written now: what has changed, and from time to time that the run is alive.
func (t *tally) due(live map[string]bool, last bool, now time.Time) (runs []dueRun) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for saleID, one := range t.bySale {
		ended := last || !live[saleID] && !one.changed && one.Pending == 0
		switch {
		case one.changed, last && !one.ended, ended && !one.ended, !ended && now.Sub(one.written) >= beatEvery:
		default:
			continue
		}
		text, err := json.Marshal(one.clone())
		if err != nil {
			continue // numbers and plain names alone
		}
		one.changed, one.ended, one.written = false, ended, now
		runs = append(runs, dueRun{ledger.ShadowRun{Sale: saleID, Counts: text, SeenMillis: now.UnixMilli(), Ended: ended}})
	}
	return runs
}
