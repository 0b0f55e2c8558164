package leader

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// desk is a lease that the test hands out.
type desk struct {
	mu     sync.Mutex
	term   int64
	err    error
	floors []int64
	freed  []int64
}

func (d *desk) hold(_ context.Context, floor int64) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.floors = append(d.floors, floor)
	if d.term > 0 && floor >= d.term {
		d.term = floor + 1
	}
	return d.term, d.err
}

func (d *desk) release(_ context.Context, term int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.freed = append(d.freed, term)
	return nil
}

func (d *desk) set(term int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.term, d.err = term, err
}

func candidate(d lease, tasks ...Task) *Leader {
	return &Leader{lease: d, ttl: LeaseTTL, tasks: tasks, log: slog.New(slog.DiscardHandler)}
}

// began tells of the terms in which a task ran, and when each of its runs ended.
type began struct {
	mu    sync.Mutex
	terms []int64
	ended []time.Time
}

func (b *began) task() Task {
	return Task{Name: "task", Run: func(ctx context.Context, term int64) error {
		b.mu.Lock()
		b.terms = append(b.terms, term)
		b.mu.Unlock()
		<-ctx.Done()
		b.mu.Lock()
		b.ended = append(b.ended, time.Now())
		b.mu.Unlock()
		return nil
	}}
}

func (b *began) state() ([]int64, []time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.terms), slices.Clone(b.ended)
}

func TestATermEndsBeforeItsLeaseCanWhenRedisFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, b := &desk{term: 7}, &began{}
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { _ = candidate(d, b.task()).Run(ctx) })
		time.Sleep(5 * time.Second) // in the bubble
		if terms, ended := b.state(); !slices.Equal(terms, []int64{7}) || len(ended) != 0 {
			t.Fatalf("while the lease is renewed: terms %v, ended %v", terms, ended)
		}
		silentFrom := time.Now()
		d.set(0, errors.New("no answer"))
		time.Sleep(5 * time.Second)
		_, ended := b.state()
		if len(ended) != 1 || ended[0].Sub(silentFrom) > LeaseTTL-margin {
			t.Fatalf("the term ended %v after the last renewal could have been sent; the lease may lapse after %v", ended, LeaseTTL)
		}
		cancel()
		run.Wait()
	})
}

func TestATermEndsAtOnceWhenSomebodyElseLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, b := &desk{term: 7}, &began{}
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { _ = candidate(d, b.task()).Run(ctx) })
		time.Sleep(time.Second)
		d.set(0, nil)
		time.Sleep(renewEvery + time.Millisecond)
		if _, ended := b.state(); len(ended) != 1 {
			t.Fatal("the task goes on although somebody else leads")
		}
		cancel()
		run.Wait()
	})
}

func TestATaskThatMeetsALaterLeaderEndsTheTermOfAllTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, b := &desk{term: 7}, &began{}
		steps := 0
		refused := Every("refused", 100*time.Millisecond, slog.New(slog.DiscardHandler), func(_ context.Context, term int64) error {
			if steps++; steps > 1 && term < 9 {
				return &redis.OldTermError{Later: 9}
			}
			return nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { _ = candidate(d, b.task(), refused).Run(ctx) })
		time.Sleep(3 * time.Second)
		if terms, ended := b.state(); !slices.Equal(terms, []int64{7, 10}) || len(ended) != 1 {
			t.Fatalf("terms %v, ended %v; want the term 7 ended and a new one above 9", terms, ended)
		}
		cancel()
		run.Wait()
		if !slices.Equal(d.freed, []int64{7, 10}) {
			t.Fatalf("leases given up: %v", d.freed)
		}
	})
}

func TestASlowTaskDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ticks := 0
		slow := Task{Name: "slow", Run: func(ctx context.Context, _ int64) error { <-ctx.Done(); return nil }}
		quick := Every("quick", 100*time.Millisecond, slog.New(slog.DiscardHandler), func(context.Context, int64) error { ticks++; return nil })
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { _ = candidate(&desk{term: 1}, slow, quick).Run(ctx) })
		time.Sleep(time.Second)
		cancel()
		run.Wait()
		if ticks < 10 {
			t.Fatalf("%d ticks in a second", ticks)
		}
	})
}

// TestTheNumberOfATermGrowsWhateverIsLost holds on both engines, with the lease forgotten, the last
// number forgotten, and a larger number told by a script.
func TestTheNumberOfATermGrowsWhateverIsLost(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		first, second := NewLease(client, "a", time.Minute), NewLease(client, "b", time.Minute)
		hold := func(l *Lease, floor int64) int64 {
			t.Helper()
			term, err := l.hold(ctx, floor)
			if err != nil {
				t.Fatal(err)
			}
			return term
		}
		one := hold(first, 0)
		if one <= 0 || hold(first, 0) != one || hold(second, 0) != 0 {
			t.Fatalf("the first leads in term %d, and not alone", one)
		}
		if err := second.release(ctx, one); err != nil || hold(second, 0) != 0 {
			t.Fatalf("another's release touched the lease, %v", err)
		}
		if err := first.release(ctx, one); err != nil {
			t.Fatal(err)
		}
		two := hold(second, 0)
		if two <= one {
			t.Fatalf("term %d after %d", two, one)
		}
		if err := client.Do(ctx, client.B().Flushall().Build()).Error(); err != nil {
			t.Fatal(err)
		}
		three := hold(first, two)
		if three <= two {
			t.Fatalf("term %d after %d was lost", three, two)
		}
		if err := first.release(ctx, three); err != nil {
			t.Fatal(err)
		}
		if four := hold(second, three+1_000_000); four <= three+1_000_000 {
			t.Fatalf("term %d is not above what a script has told", four)
		}
	})
}
