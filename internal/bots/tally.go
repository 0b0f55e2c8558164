package bots

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Outcome is what became of a newcomer.
type Outcome string

// The outcomes.
const (
	Joined  Outcome = "joined"  // got a place
	Noted   Outcome = "noted"   // was noticed, and got a place
	Blocked Outcome = "blocked" // got none
	Decoyed Outcome = "decoyed" // got a ticket that is never called
	// WouldDecoy would have got such a ticket, if the sale had a decoy line. It is counted as Blocked as well.
	WouldDecoy Outcome = "would_decoy"
)

// Outcomes are all outcomes there are.
func Outcomes() []Outcome { return []Outcome{Joined, Noted, Blocked, Decoyed, WouldDecoy} }

// Count is how many newcomers of a sale had an outcome by a rule; the rule is empty for Joined.
type Count struct {
	Sale    string  `json:"-"`
	Rule    Rule    `json:"rule"`
	Outcome Outcome `json:"outcome"`
	N       int64   `json:"count"`
}

const (
	keepEvery   = 2 * time.Second
	keepTimeout = 5 * time.Second
	// maxCounts bounds what is kept in memory while the ledger does not take it: a few dozen for each sale.
	maxCounts = 100_000
)

// Tally counts newcomers, and adds what it counted to a ledger from time to time. It is safe for concurrent use.
// What was counted within the last two seconds is lost with the process; so the figures are for judging an attack,
// and no account.
type Tally struct {
	mu     sync.Mutex
	counts map[Count]int64 // by the count with N 0
	add    func(ctx context.Context, counts []Count) error
	log    *slog.Logger
}

// NewTally adds its counts with add.
func NewTally(add func(ctx context.Context, counts []Count) error, log *slog.Logger) *Tally {
	return &Tally{counts: make(map[Count]int64), add: add, log: log}
}

// Note counts a newcomer. A nil tally counts nobody.
func (t *Tally) Note(saleID string, rule Rule, outcome Outcome) {
	if t == nil {
		return
	}
	key := Count{Sale: saleID, Rule: rule, Outcome: outcome}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, there := t.counts[key]; there || len(t.counts) < maxCounts {
		t.counts[key] = n + 1
	}
}

// Run writes what was counted until ctx ends, and then once more.
func (t *Tally) Run(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.keep(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
			t.keep(ctx)
		}
	}
}

// keep writes what was counted. What the ledger does not take is counted on.
func (t *Tally) keep(ctx context.Context) {
	t.mu.Lock()
	taken := t.counts
	t.counts = make(map[Count]int64, len(taken))
	t.mu.Unlock()
	if len(taken) == 0 {
		return
	}
	counts := make([]Count, 0, len(taken))
	for key, n := range taken {
		key.N = n
		counts = append(counts, key)
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	err := t.add(ctx, counts)
	if err == nil {
		return
	}
	t.log.Debug("the counts of newcomers are not kept yet", "error", err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.counts) == 0 {
		t.counts = maps.Clone(taken)
		return
	}
	for key, n := range taken {
		t.counts[key] += n
	}
}

// Report is what became of the newcomers of a sale.
type Report struct {
	// People got a place and were not noticed; LikelyBots were noticed, and got a place or a decoy; Blocked got none.
	People     int64 `json:"people"`
	LikelyBots int64 `json:"likely_bots"`
	Blocked    int64 `json:"blocked"`
	// Rules are the counts by rule and outcome; never nil.
	Rules []Count `json:"rules"`
}

// NewReport adds up the counts of one sale.
func NewReport(counts []Count) Report {
	r := Report{Rules: []Count{}}
	for _, one := range counts {
		switch one.Outcome {
		case Joined:
			r.People += one.N
			continue
		case Noted, Decoyed:
			r.LikelyBots += one.N
		case Blocked:
			r.Blocked += one.N
		}
		r.Rules = append(r.Rules, one)
	}
	return r
}
