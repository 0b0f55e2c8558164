package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/penstock/penstock/loadtest/internal/stand"
)

// sample is what could be seen from outside at one moment.
type sample struct {
	at              time.Duration // since the start of the sale
	phase           string        // of the test: before, without or after Postgres
	level           string
	recommendations string // on, off, or why it is not known
	admitted        int64  // since the start
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
		last := seen.last()
		s := t.sample(ctx, last)
		if ctx.Err() != nil {
			return
		}
		s.at, s.phase = time.Since(began), phase
		fresh := s.level != last.level
		seen.samples = append(seen.samples, s)
		if !slices.Contains(seen.levels, s.level) {
			seen.levels = append(seen.levels, s.level)
		}
		if fresh || n%printEvery == 0 {
			t.printf("%s\n", s)
		}
		if !stand.Pause(ctx, min(sampleEvery, time.Until(until))) {
			return
		}
	}
}

func (p *postgresOutage) last() sample {
	if len(p.samples) == 0 {
		return sample{}
	}
	return p.samples[len(p.samples)-1]
}

// sample looks from outside; figures that are not to be had stay as they were.
func (t *test) sample(ctx context.Context, last sample) sample {
	s := last
	s.level, s.recommendations = "?", "?"
	if flags, err := t.client.Flags(ctx); err == nil {
		s.level = flags.Level
	}
	if on, err := t.client.Flag(ctx, "recommendations"); err == nil {
		s.recommendations = map[bool]string{true: "on", false: "off"}[on]
	}
	if stats, err := t.client.Stats(ctx, t.sale); err == nil {
		s.admitted, s.undrained = stats.Room.Claimed, stats.Undrained
	}
	if lines, err := readConsole(t.files.console); err == nil {
		s.accepted = len(lines.accepted)
	}
	return s
}

func (s sample) String() string {
	return fmt.Sprintf("    [%5.1fs %-7s] level %-9s recommendations %-3s  admitted %5d  orders accepted %5d  not in the ledger yet %5d",
		s.at.Seconds(), s.phase, s.level, s.recommendations, s.admitted, s.accepted, s.undrained)
}

// during is what happened in a phase, and how long it was.
func (p *postgresOutage) during(phase string) (admitted int64, accepted int, length time.Duration) {
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
		return 0, 0, 0
	}
	return last.admitted - first.admitted, last.accepted - first.accepted, last.at - first.at
}
