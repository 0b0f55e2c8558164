package degrade

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bench is a leader whose surroundings the test moves by hand.
type bench struct {
	mu        sync.Mutex
	pressure  Pressure
	err       error
	hang      bool
	lost      error // what publishing answers
	stored    State
	published int
}

func (b *bench) decider() *decider {
	return &decider{
		limits: DefaultLimits(), nodeID: "n1", log: slog.New(slog.DiscardHandler),
		found: func(context.Context) (State, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.stored, nil
		},
		measure: func(ctx context.Context) (Pressure, error) {
			b.mu.Lock()
			p, err, hang := b.pressure, b.err, b.hang
			b.mu.Unlock()
			if hang {
				<-ctx.Done()
				return Pressure{}, ctx.Err()
			}
			return p, err
		},
		publish: func(_ context.Context, s State) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.lost != nil {
				return b.lost
			}
			b.stored = s
			b.published++
			return nil
		},
	}
}

// set changes the surroundings, lets d pass and returns what the leader has published by then.
func (b *bench) set(change func(), d time.Duration) State {
	b.mu.Lock()
	change()
	b.mu.Unlock()
	time.Sleep(d) // no real time passes inside a synctest bubble
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stored
}

func inBubble(t *testing.T, check func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := &bench{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = b.decider().run(ctx)
		}()
		check(t, b)
		cancel()
		<-done
	})
}

func wantLevel(t *testing.T, when string, s State, want Level) {
	t.Helper()
	if s.Level != want {
		t.Errorf("%s: level %v (%s), want %v", when, s.Level, s.Reason, want)
	}
}

func TestLeaderTiming(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		wantLevel(t, "quiet", b.set(func() {}, 100*time.Millisecond), Normal)
		wantLevel(t, "0.9 s of lag", b.set(func() { b.pressure = lag(12) }, 900*time.Millisecond), Normal)
		wantLevel(t, "1.3 s of lag", b.set(func() {}, 400*time.Millisecond), Critical)
		wantLevel(t, "9.9 s of calm", b.set(func() { b.pressure = lag(0) }, 9900*time.Millisecond), Critical)
		wantLevel(t, "10.4 s of calm", b.set(func() {}, 500*time.Millisecond), Elevated)
		wantLevel(t, "21 s of calm", b.set(func() {}, 10500*time.Millisecond), Normal)
	})
}

func TestLeaderTreatsBlindnessAsPressure(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.set(func() { b.err = errors.New("nats: no servers available") }, 1500*time.Millisecond)
		wantLevel(t, "nats down", s, Critical)
		if !strings.Contains(s.Reason, "nats: no servers available") {
			t.Errorf("reason %q does not name the failure", s.Reason)
		}
	})
}

func TestLeaderOutlivesAHangingMeasurement(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		wantLevel(t, "hanging", b.set(func() { b.hang = true }, 10*time.Second), Critical)
	})
}

func TestALevelThatCouldNotBePublishedIsPublishedByTheNextRound(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.set(func() { b.pressure, b.lost = lag(12), errors.New("redis: connection refused") }, 1500*time.Millisecond)
		wantLevel(t, "redis is away", s, Normal)
		wantLevel(t, "two rounds after it is back", b.set(func() { b.lost = nil }, 2*period), Critical)
	})
}

func TestALeaderGoesOnFromTheLevelThatTheLastOneLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := &bench{stored: State{Measured: Survival, Level: Survival, MeasuredSince: time.Now()}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = b.decider().run(ctx)
		}()
		s := b.set(func() {}, time.Second)
		wantLevel(t, "just took over", s, Survival)
		if s.MeasuredBy != "n1" {
			t.Errorf("measured by %q", s.MeasuredBy)
		}
		wantLevel(t, "10.5 s of calm later", b.set(func() {}, 10*time.Second), Critical)
		cancel()
		<-done
	})
}

func TestALeaderThatLosesItsTermInTheMiddleOfAMeasurementPublishesNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := &bench{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = b.decider().run(ctx)
		}()
		b.set(func() { b.hang = true }, time.Second)
		before := b.published
		cancel()
		<-done
		if b.published != before {
			t.Errorf("%d levels published after the term was over", b.published-before)
		}
	})
}
