package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/loadtest/internal/stand"
)

// turn is one measurement of a row with the one of hello before it.
type turn struct {
	hello, row       wrkResult
	helloCPU, rowCPU float64            // µs an operation, all our processes
	cpuBy            map[string]float64 // µs an operation, by process
	settled          time.Duration      // after the last answer
	// redisPerOperation: commands that Redis executed an operation, beyond what it executes idle.
	redisPerOperation float64
}

// result is a row of the table: medians over the turns.
type result struct {
	Stand string `json:"stand"`
	Row   string `json:"row"`
	// PerSecond is requests/s; P50 and P99 are milliseconds; CPU is µs an operation.
	PerSecond    float64            `json:"per_second"`
	P50Millis    float64            `json:"p50_ms"`
	P99Millis    float64            `json:"p99_ms"`
	CPUMicros    float64            `json:"cpu_us"`
	CPUBy        map[string]float64 `json:"cpu_us_by_process"`
	HelloPerS    float64            `json:"hello_per_second"`
	HelloCPU     float64            `json:"hello_cpu_us"`
	RateRatio    float64            `json:"rate_ratio"` // of hello's requests/s
	CPURatio     float64            `json:"cpu_ratio"`  // of hello's CPU an operation
	GeneratorCPU float64            `json:"generator_cpu_us"`
	// SettledMillis is how long it took, after the last answer, until everything was in the ledger.
	SettledMillis int64 `json:"settled_ms,omitempty"`
	// RedisPerOperation is set where it was measured.
	RedisPerOperation *float64 `json:"redis_commands_per_operation,omitempty"`
}

const warmUp = time.Second

// measureRow lets hello and the row take turns.
func (b *bench) measureRow(ctx context.Context, g group, r row, s *stand.Stand) (result, error) {
	b.printf("%-22s %-16s", g.title, r.title)
	var turns []turn
	counted := false
	for round := range b.opts.rounds {
		shot, err := r.prepare(ctx, b, s, round)
		if err != nil {
			return result{}, fmt.Errorf("prepare: %w", err)
		}
		if round == 0 && r.script != "order.lua" { // orders would use up the ids
			if _, err := b.runWrk(ctx, r.script, s.FrontURL, shot.path, append(shot.env, "RUN=w"), warmUp); err != nil {
				return result{}, fmt.Errorf("warm-up: %w", err)
			}
		}
		t, err := b.takeTurn(ctx, r, s, shot)
		if err != nil {
			return result{}, err
		}
		turns = append(turns, t)
		counted = counted || shot.redisCommands
		b.printf("  %8.0f/s", t.row.perSecond())
	}
	b.printf("\n")
	return summarize(g.title, r.title, turns, counted), nil
}

func (b *bench) takeTurn(ctx context.Context, r row, s *stand.Stand, shot shot) (t turn, err error) {
	helloBefore, err := testenv.CPUTimeOfTree(b.hello.PID())
	if err != nil {
		return t, err
	}
	if t.hello, err = b.runWrk(ctx, r.script, b.helloURL, shot.path, shot.helloEnv(), b.opts.length); err != nil {
		return t, fmt.Errorf("hello: %w", err)
	}
	helloAfter, err := testenv.CPUTimeOfTree(b.hello.PID())
	if err != nil {
		return t, err
	}
	t.helloCPU = micros(helloAfter-helloBefore, t.hello.Requests)
	if shot.redisCommands {
		if t.redisPerOperation, err = b.countRedis(ctx, s, func() (int64, error) {
			return b.fire(ctx, r, s, shot, &t)
		}); err != nil {
			return t, err
		}
		return t, nil
	}
	_, err = b.fire(ctx, r, s, shot, &t)
	return t, err
}

// helloEnv is the environment for hello, which may use prepared ids again and again.
func (s shot) helloEnv() []string { return append(slices.Clone(s.env), "REPEAT=yes") }

// fire measures the row itself and checks that the server did what was asked.
func (b *bench) fire(ctx context.Context, r row, s *stand.Stand, shot shot, t *turn) (done int64, err error) {
	booked, err := shot.booked(ctx)
	if err != nil {
		return 0, err
	}
	before, err := s.CPU()
	if err != nil {
		return 0, err
	}
	if t.row, err = b.runWrk(ctx, r.script, s.FrontURL, shot.path, shot.env, b.opts.length); err != nil {
		return 0, err
	}
	ended := time.Now()
	if shot.settle != nil {
		if err := shot.settle(ctx); err != nil {
			return 0, err
		}
		t.settled = time.Since(ended)
	}
	after, err := s.CPU()
	if err != nil {
		return 0, err
	}
	used := after.Since(before)
	t.rowCPU, t.cpuBy = micros(used.Sum(), t.row.Requests), make(map[string]float64)
	for name, cpu := range used {
		t.cpuBy[name] = micros(cpu, t.row.Requests)
	}
	return t.row.Requests, shot.verdict(ctx, t.row, booked, int64(b.opts.connections))
}

// verdict: the answers were of the right kind, and the server's own books agree.
// At the end of a run up to one request a connection is done and not answered.
func (s shot) verdict(ctx context.Context, r wrkResult, bookedBefore, connections int64) error {
	if s.refusals && r.Status != r.Requests {
		return fmt.Errorf("%d of %d answers were no refusals", r.Requests-r.Status, r.Requests)
	}
	if !s.refusals && r.Status > 0 {
		return fmt.Errorf("%d of %d answers were refusals", r.Status, r.Requests)
	}
	if s.count == nil {
		return nil
	}
	booked, err := s.booked(ctx)
	if err != nil {
		return err
	}
	if done := booked - bookedBefore; done < r.Requests || done > r.Requests+connections {
		return fmt.Errorf("%d requests were answered with success, but the server's books grew by %d", r.Requests, done)
	}
	return nil
}

func (s shot) booked(ctx context.Context) (int64, error) {
	if s.count == nil {
		return 0, nil
	}
	return s.count(ctx)
}

func micros(d time.Duration, operations int64) float64 {
	return float64(d.Nanoseconds()) / 1e3 / float64(operations)
}

func summarize(standTitle, title string, turns []turn, redisCounted bool) result {
	r := result{
		Stand: standTitle, Row: title, CPUBy: make(map[string]float64),
		PerSecond: median(turns, func(t turn) float64 { return t.row.perSecond() }),
		P50Millis: median(turns, func(t turn) float64 { return float64(t.row.P50US) / 1e3 }),
		P99Millis: median(turns, func(t turn) float64 { return float64(t.row.P99US) / 1e3 }),
		CPUMicros: median(turns, func(t turn) float64 { return t.rowCPU }),
		HelloPerS: median(turns, func(t turn) float64 { return t.hello.perSecond() }),
		HelloCPU:  median(turns, func(t turn) float64 { return t.helloCPU }),
		RateRatio: median(turns, func(t turn) float64 { return t.row.perSecond() / t.hello.perSecond() }),
		CPURatio:  median(turns, func(t turn) float64 { return t.rowCPU / t.helloCPU }),
		GeneratorCPU: median(turns, func(t turn) float64 {
			return micros(t.row.GeneratorCPU, t.row.Requests)
		}),
		SettledMillis: int64(median(turns, func(t turn) float64 { return float64(t.settled.Milliseconds()) })),
	}
	for name := range turns[0].cpuBy {
		r.CPUBy[name] = median(turns, func(t turn) float64 { return t.cpuBy[name] })
	}
	if redisCounted {
		most := slices.MaxFunc(turns, func(a, b turn) int { return cmp.Compare(a.redisPerOperation, b.redisPerOperation) }).redisPerOperation
		r.RedisPerOperation = &most
	}
	return r
}

func median(turns []turn, figure func(turn) float64) float64 {
	values := make([]float64, len(turns))
	for i, t := range turns {
		values[i] = figure(t)
	}
	return middle(values)
}

// middle is the median.
func middle(values []float64) float64 {
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 0 {
		return (values[half-1] + values[half]) / 2
	}
	return values[half]
}
