package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// sample is what could be seen from outside at one moment.
type sample struct {
	at              time.Duration // since the crowd was sent
	phase           string        // of the test: before, without or after Postgres
	level           string
	recommendations string // on, off, or why it is not known
	passes          int64  // admitted in the last minute
	accepted        int    // orders so far
	undrained       int64
}

// postgresOutage is what was seen while Postgres was gone.
type postgresOutage struct {
	samples []sample
	levels  []string // in the order in which they appeared
	stopped time.Duration
	started time.Duration
}

const (
	sampleEvery = 500 * time.Millisecond
	printEvery  = 4 // samples
)

// stopPostgres stops Postgres in the middle of the sale and watches.
func (t *test) stopPostgres(ctx, crowd context.Context) error {
	seen := &postgresOutage{}
	began := time.Now()
	t.watch(crowd, seen, "before", began, t.opts.stopPostgresAt)
	if crowd.Err() != nil {
		return nil
	}
	t.printf("\n>>> Postgres stops\n\n")
	if err := t.stand.Postgres.Stop(); err != nil {
		return err
	}
	seen.stopped = time.Since(began)
	t.watch(ctx, seen, "without", began, t.opts.stopPostgres)
	if err := t.stand.Postgres.Start(ctx); err != nil {
		return err
	}
	seen.started = time.Since(began)
	t.printf("\n>>> Postgres is back\n\n")
	t.outcome.postgres = seen
	t.watch(crowd, seen, "after", began, time.Hour)
	return nil
}

// watch takes samples for a while, or until ctx ends.
func (t *test) watch(ctx context.Context, seen *postgresOutage, phase string, began time.Time, length time.Duration) {
	until := time.Now().Add(length)
	for n := 0; time.Now().Before(until); n++ {
		s := t.sample(ctx, phase, time.Since(began))
		if ctx.Err() != nil {
			return
		}
		fresh := len(seen.samples) == 0 || seen.samples[len(seen.samples)-1].level != s.level
		seen.samples = append(seen.samples, s)
		if !slices.Contains(seen.levels, s.level) {
			seen.levels = append(seen.levels, s.level)
		}
		if fresh || n%printEvery == 0 {
			t.printf("%s\n", s)
		}
		if !pause(ctx, min(sampleEvery, time.Until(until))) {
			return
		}
	}
}

func (t *test) sample(ctx context.Context, phase string, at time.Duration) sample {
	s := sample{at: at, phase: phase, level: "?", recommendations: "?"}
	if flags, err := t.client.Flags(ctx); err == nil {
		s.level = flags.Level
	}
	if on, err := t.client.Flag(ctx, "recommendations"); err == nil {
		s.recommendations = map[bool]string{true: "on", false: "off"}[on]
	}
	if stats, err := t.client.Stats(ctx, t.sale); err == nil {
		s.passes, s.undrained = stats.Room.AdmittedLastMinute, stats.Undrained
	}
	if lines, err := readConsole(t.files.console); err == nil {
		s.accepted = len(lines.accepted)
	}
	return s
}

func (s sample) String() string {
	return fmt.Sprintf("    [%5.1fs %-7s] level %-9s recommendations %-3s  admitted in the last minute %5d  orders accepted %5d  not in the ledger yet %5d",
		s.at.Seconds(), s.phase, s.level, s.recommendations, s.passes, s.accepted, s.undrained)
}

// acceptedDuring is how many orders were accepted in a phase, and how long it was.
func (p *postgresOutage) acceptedDuring(phase string) (orders int, length time.Duration) {
	var first, last *sample
	for i := range p.samples {
		if p.samples[i].phase != phase {
			continue
		}
		if first == nil {
			first = &p.samples[i]
		}
		last = &p.samples[i]
	}
	if first == nil {
		return 0, 0
	}
	return last.accepted - first.accepted, last.at - first.at
}
