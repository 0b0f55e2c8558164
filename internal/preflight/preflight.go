// Package preflight reads the settings of the stores and says what of them speaks against a sale.
//
// Each store's facts are judged by a pure function. A finding that refuses keeps every sale from
// being armed; what could not be read is never taken for good.
package preflight

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// Verdict is what a finding means.
type Verdict string

// The verdicts.
const (
	OK     Verdict = "ok"
	Warn   Verdict = "warn"
	Refuse Verdict = "refuse" // no sale is armed
)

// Finding is one thing that was looked at.
type Finding struct {
	// Part is redis, order_log, ledger or keys.
	Part    string  `json:"part"`
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	// Detail says what was found, and Advice what to do; Advice is "" when all is well.
	Detail string `json:"detail"`
	Advice string `json:"advice,omitempty"`
}

// Report is one pre-flight. OK is false when a finding refuses.
type Report struct {
	OK       bool      `json:"ok"`
	At       time.Time `json:"at"`
	Findings []Finding `json:"findings"`
}

// Refusals words the findings that keep sales from being armed.
func (r Report) Refusals() []string {
	var all []string
	for _, f := range r.Findings {
		if f.Verdict == Refuse {
			all = append(all, strings.TrimSpace(f.Detail+" "+f.Advice))
		}
	}
	return all
}

// Source reads and judges one part. An error becomes a finding that refuses.
type Source struct {
	Part string
	Read func(ctx context.Context) ([]Finding, error)
}

const (
	// readTimeout bounds one source.
	readTimeout = 5 * time.Second
	// keepFor is how long a report is good for the question whether a sale may be armed.
	keepFor = 5 * time.Second
	// keepRefusalFor is the same for a report that refuses: it is mended soon, and asked for by every
	// sale that waits.
	keepRefusalFor = time.Second
)

// Checker runs pre-flights. It is safe for concurrent use.
type Checker struct {
	sources []Source

	asking chan struct{} // of one place, so that many who ask at once wait for one check

	mu   sync.Mutex
	last Report
}

// NewChecker returns a checker over the sources.
func NewChecker(sources ...Source) *Checker {
	return &Checker{sources: sources, asking: make(chan struct{}, 1)}
}

// Check reads all sources at the same time.
func (c *Checker) Check(ctx context.Context) Report {
	found := make([][]Finding, len(c.sources))
	var reading sync.WaitGroup
	for i, source := range c.sources {
		reading.Go(func() { found[i] = read(ctx, source) })
	}
	reading.Wait()
	report := Report{OK: true, At: time.Now().UTC()}
	for _, findings := range found {
		report.Findings = append(report.Findings, findings...)
	}
	report.OK = len(report.Refusals()) == 0
	c.mu.Lock()
	c.last = report
	c.mu.Unlock()
	return report
}

func read(ctx context.Context, source Source) []Finding {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	findings, err := source.Read(ctx)
	if err != nil {
		return []Finding{{Part: source.Part, Name: "reachable", Verdict: Refuse, Detail: "its settings cannot be read: " + err.Error() + ".", Advice: "Mend the connection."}}
	}
	return findings
}

// MayArm returns why no sale may be armed now (code not_armed, with reasons), or nil. It goes by a
// report that is at most a few seconds old.
func (c *Checker) MayArm(ctx context.Context) error {
	c.asking <- struct{}{} // no longer than a check takes
	defer func() { <-c.asking }()
	c.mu.Lock()
	report := c.last
	c.mu.Unlock()
	keep := keepFor
	if !report.OK {
		keep = keepRefusalFor
	}
	if time.Since(report.At) > keep {
		// Others wait for this report, so it does not end with the caller who happened to come first.
		report = c.Check(context.WithoutCancel(ctx))
	}
	reasons := report.Refusals()
	if len(reasons) == 0 {
		return nil
	}
	return problem.With(problem.NotArmed, strings.Join(reasons, " "), problem.F("reasons", reasons))
}
