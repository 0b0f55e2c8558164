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
	held      bool
	hang      bool
	stored    State
	published int
	released  bool
}

func (b *bench) leader() *leader {
	return &leader{
		limits: DefaultLimits(), nodeID: "n1", log: slog.New(slog.DiscardHandler),
		hold: func(context.Context) (bool, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.held, nil
		},
		release: func(context.Context) error { b.released = true; return nil },
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
		b := &bench{held: true}
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.leader().run(ctx)
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

func TestLeaderGoesOnFromWhatItFinds(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.set(func() { b.held = false }, time.Second)
		before := b.published
		s := b.set(func() { b.stored = State{Measured: Survival, Level: Survival} }, time.Minute)
		if b.published != before {
			t.Error("a node without the lease published")
		}
		wantLevel(t, "another leads", s, Survival)
		s = b.set(func() { b.held = true }, time.Second)
		wantLevel(t, "just took over", s, Survival)
		if s.MeasuredBy != "n1" {
			t.Errorf("measured by %q", s.MeasuredBy)
		}
		wantLevel(t, "10.5 s of calm later", b.set(func() {}, 10*time.Second), Critical)
	})
}

func TestLeaderReleasesOnExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := &bench{held: true}
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.leader().run(ctx)
		}()
		b.set(func() {}, time.Second)
		cancel()
		<-done
		if !b.released {
			t.Error("the lease was kept")
		}
	})
}
