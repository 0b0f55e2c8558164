package batch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func double(_ context.Context, reqs []int) ([]int, error) {
	out := make([]int, len(reqs))
	for i, r := range reqs {
		out[i] = 2 * r
	}
	return out, nil
}

func TestEachCallerGetsTheResultOfItsOwnRequest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opts := Options{MaxBatch: rapid.IntRange(1, 9).Draw(t, "batch"), MaxRuns: rapid.IntRange(1, 3).Draw(t, "runs")}
		c := New(opts, double)
		defer c.Close()
		var wg sync.WaitGroup
		var wrong atomic.Int64
		for i := range rapid.IntRange(1, 100).Draw(t, "callers") {
			wg.Go(func() {
				if got, err := c.Do(context.Background(), i); err != nil || got != 2*i {
					wrong.Add(1)
				}
			})
		}
		wg.Wait()
		if wrong.Load() != 0 {
			t.Fatalf("%d callers got another's result", wrong.Load())
		}
	})
}

func TestCallersThatComeDuringARunShareTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var sizes []int
		c := New(Options{MaxBatch: 100}, func(_ context.Context, reqs []int) ([]int, error) {
			sizes = append(sizes, len(reqs))
			<-gate
			return reqs, nil
		})
		for i := range 11 {
			go func() { _, _ = c.Do(context.Background(), i) }()
			synctest.Wait()
		}
		close(gate)
		c.Close()
		if len(sizes) != 2 || sizes[0] != 1 || sizes[1] != 10 {
			t.Fatalf("runs of sizes %v, want [1 10]", sizes)
		}
	})
}

func TestAFullCombinerRefusesInsteadOfGrowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		c := New(Options{MaxWaiting: 2}, func(_ context.Context, reqs []int) ([]int, error) {
			<-gate
			return reqs, nil
		})
		for i := range 3 { // one runs, two wait
			go func() { _, _ = c.Do(context.Background(), i) }()
			synctest.Wait()
		}
		if _, err := c.Do(context.Background(), 9); !errors.Is(err, ErrFull) {
			t.Fatalf("got %v, want ErrFull", err)
		}
		close(gate)
		c.Close()
	})
}

func TestAnErrorOfTheRunReachesEveryCaller(t *testing.T) {
	boom := errors.New("boom")
	c := New(Options{}, func(context.Context, []int) ([]int, error) { return nil, boom })
	if _, err := c.Do(context.Background(), 1); !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
}

func TestAPanicOrAShortAnswerBecomesAnError(t *testing.T) {
	c := New(Options{}, func(context.Context, []int) ([]int, error) { panic("no") })
	if _, err := c.Do(context.Background(), 1); err == nil {
		t.Fatal("a panic in the run must reach the caller as an error")
	}
	c = New(Options{}, func(context.Context, []int) ([]int, error) { return nil, nil })
	if _, err := c.Do(context.Background(), 1); err == nil {
		t.Fatal("a missing result must be an error")
	}
}

func TestACallerWhoGivesUpLeavesTheOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		c := New(Options{}, func(ctx context.Context, reqs []int) ([]int, error) {
			<-gate
			return reqs, ctx.Err()
		})
		ctx, cancel := context.WithCancel(context.Background())
		var errGone, errStays error
		go func() { _, errGone = c.Do(ctx, 1) }()
		synctest.Wait()
		go func() { _, errStays = c.Do(context.Background(), 2) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		c.Close()
		synctest.Wait()
		if !errors.Is(errGone, context.Canceled) || errStays != nil {
			t.Fatalf("gone: %v, stays: %v", errGone, errStays)
		}
	})
}

func TestARunThatHangsIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{RunTimeout: time.Second}, func(ctx context.Context, _ []int) ([]int, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if _, err := c.Do(context.Background(), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestCloseFinishesWhatWaitsAndRefusesTheRest(t *testing.T) {
	c := New(Options{}, double)
	c.Close()
	if _, err := c.Do(context.Background(), 1); !errors.Is(err, ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

func BenchmarkDoConcurrent(b *testing.B) {
	c := New(Options{}, double)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = c.Do(context.Background(), 1)
		}
	})
}
