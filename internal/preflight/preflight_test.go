package preflight

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// counted is a source that takes a second to read, and counts how often it was.
type counted struct {
	reads  atomic.Int64
	refuse atomic.Bool
}

func (c *counted) source() Source {
	return Source{Part: "redis", Read: func(ctx context.Context) ([]Finding, error) {
		c.reads.Add(1)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second): // no real time passes inside a synctest bubble
		}
		if c.refuse.Load() {
			return []Finding{{Part: "redis", Name: "maxmemory-policy", Verdict: Refuse, Detail: "it evicts"}}, nil
		}
		return []Finding{{Part: "redis", Name: "maxmemory-policy", Verdict: OK}}, nil
	}}
}

func TestManyWhoAskAtOnceWaitForOneCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counted
		checker := NewChecker(c.source())
		var asking sync.WaitGroup
		for range 100 {
			asking.Go(func() {
				if err := checker.MayArm(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		asking.Wait()
		if n := c.reads.Load(); n != 1 {
			t.Errorf("the source was read %d times", n)
		}
	})
}

func TestACallerWhoLeavesSpoilsNoReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counted
		checker := NewChecker(c.source())
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if err := checker.MayArm(ctx); err != nil {
			t.Error(err)
		}
		if err := checker.MayArm(t.Context()); err != nil || c.reads.Load() != 1 {
			t.Errorf("the next one is told %v after %d reads", err, c.reads.Load())
		}
	})
}

func TestARefusalIsAskedAgainSoonerThanAPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c counted
		checker := NewChecker(c.source())
		ask := func(wantErr error, wantReads int64) {
			t.Helper()
			if err := checker.MayArm(t.Context()); !errors.Is(err, wantErr) || c.reads.Load() != wantReads {
				t.Fatalf("told %v after %d reads; want %v after %d", err, c.reads.Load(), wantErr, wantReads)
			}
		}
		c.refuse.Store(true)
		ask(problem.NotArmed, 1)
		ask(problem.NotArmed, 1)
		c.refuse.Store(false)
		time.Sleep(keepRefusalFor + time.Millisecond)
		ask(nil, 2)
		c.refuse.Store(true)
		time.Sleep(keepRefusalFor + time.Millisecond)
		ask(nil, 2)
		time.Sleep(keepFor)
		ask(problem.NotArmed, 3)
	})
}

func TestASourceThatHangsIsARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checker := NewChecker(Source{Part: "ledger", Read: func(ctx context.Context) ([]Finding, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		if err := checker.MayArm(t.Context()); !errors.Is(err, problem.NotArmed) {
			t.Errorf("told %v", err)
		}
	})
}
