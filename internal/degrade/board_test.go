package degrade

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"
	"golang.org/x/sync/errgroup"

	"github.com/penstock/penstock/internal/testenv"
)

// onBothEngines runs a contract against the embedded engine and against real Redis.
func onBothEngines(t *testing.T, contract func(t *testing.T, connect func() rueidis.Client)) {
	t.Helper()
	testenv.EachRedisURL(t, func(t *testing.T, url string) {
		t.Parallel()
		contract(t, func() rueidis.Client { return testenv.ConnectRedis(t, url) })
	})
}

func newBoard(client rueidis.Client, nodeID string) *Board {
	return NewBoard(client, slog.New(slog.DiscardHandler), nodeID)
}

// runs starts a board, which leads when there is something to measure, and returns a function that stops it
// and waits.
func runs(t *testing.T, b *Board, measure Measure) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var loops errgroup.Group
	loops.Go(func() error { return b.Run(ctx) })
	if measure != nil {
		loops.Go(func() error { return b.Lead(measure)(ctx, 1) })
	}
	var stopped atomic.Bool
	stop = func() {
		if stopped.Swap(true) {
			return
		}
		cancel()
		if err := loops.Wait(); err != nil {
			t.Errorf("the board ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func constant(p Pressure) Measure {
	return func(context.Context) (Pressure, error) { return p, nil }
}

func refreshed(t *testing.T, b *Board) State {
	t.Helper()
	if err := b.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.State()
}

func TestEveryNodeSeesWhatTheLeaderDecides(t *testing.T) {
	onBothEngines(t, func(t *testing.T, connect func() rueidis.Client) {
		leads, follows := newBoard(connect(), "n1"), newBoard(connect(), "n2")
		if l := follows.Level(); l != Normal {
			t.Fatalf("a fresh board shows %v", l)
		}
		runs(t, leads, constant(lag(12)))
		runs(t, follows, nil)
		for _, b := range []*Board{leads, follows} {
			testenv.Eventually(t, 10*time.Second, "critical", func() bool { return b.Level() == Critical })
		}
		s := follows.State()
		if !strings.Contains(s.Reason, "12.0 s behind") || s.MeasuredBy != "n1" || s.Pressure.LogLagSeconds != 12 {
			t.Errorf("the follower sees %+v", s)
		}
		if age := time.Since(s.Since); age < 0 || age > time.Minute {
			t.Errorf("critical since %v", s.Since)
		}
	})
}

func TestSlowCommitsOfOtherNodesAreSeen(t *testing.T) {
	onBothEngines(t, func(t *testing.T, connect func() rueidis.Client) {
		leads, drains := newBoard(connect(), "n1"), newBoard(connect(), "n2")
		runs(t, leads, constant(Pressure{}))
		runs(t, drains, nil)
		drains.ReportCommit(2500 * time.Millisecond)
		drains.ReportCommit(time.Millisecond) // must not hide the slow one
		testenv.Eventually(t, 10*time.Second, "critical", func() bool { return leads.Level() == Critical })
		if s := leads.State(); s.Pressure.CommitLatencyMillis != 2500 {
			t.Errorf("measured %+v", s.Pressure)
		}
		ttl, err := leads.store.client.Do(t.Context(), leads.store.client.B().Pttl().Key(commitKey(commitSlot("n2"))).Build()).AsInt64()
		if err != nil || ttl <= 0 || ttl > commitTTLMillis {
			t.Errorf("the report lives %d ms, %v", ttl, err)
		}
	})
}

func TestFailedMeasurementIsPressure(t *testing.T) {
	onBothEngines(t, func(t *testing.T, connect func() rueidis.Client) {
		b := newBoard(connect(), "n1")
		runs(t, b, func(context.Context) (Pressure, error) { return Pressure{}, errors.New("nats: no servers") })
		testenv.Eventually(t, 10*time.Second, "critical", func() bool { return b.Level() == Critical })
		if s := b.State(); !strings.Contains(s.Reason, "nats: no servers") {
			t.Errorf("reason %q", s.Reason)
		}
	})
}

// A Redis that is full answers every read and refuses every write, so that no level is written any more.
func TestARedisThatRefusesEveryWriteRaisesTheLevel(t *testing.T) {
	server := testenv.Redis(t)
	connect := func() rueidis.Client { return testenv.ConnectRedis(t, server.URL) }
	leads, follows := newBoard(connect(), "n1"), newBoard(connect(), "n2")
	runs(t, leads, constant(Pressure{}))
	runs(t, follows, nil)
	testenv.Eventually(t, 10*time.Second, "a level is measured", func() bool { return !follows.State().MeasuredAt.IsZero() })
	if l := follows.Level(); l != Normal {
		t.Fatalf("level %v before", l)
	}
	client := connect()
	full := func(bytes string) {
		t.Helper()
		if err := client.Do(t.Context(), client.B().ConfigSet().ParameterValue().ParameterValue("maxmemory", bytes).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	full("1mb")
	for _, b := range []*Board{leads, follows} {
		testenv.Eventually(t, 20*time.Second, "critical", func() bool { return b.Level() == Critical })
		if s := b.State(); !strings.Contains(s.Reason, "no leader has written a level") {
			t.Errorf("reason %q", s.Reason)
		}
	}
	full("0")
	testenv.Eventually(t, 20*time.Second, "normal again", func() bool { return follows.Level() == Normal })
}

func TestOverride(t *testing.T) {
	onBothEngines(t, func(t *testing.T, connect func() rueidis.Client) {
		client := connect()
		here, there := newBoard(client, "n1"), newBoard(connect(), "n2")
		before := time.Now().Add(-time.Second)
		survival := Survival
		if err := here.Override(t.Context(), &survival, "ana"); err != nil {
			t.Fatal(err)
		}
		restarted := newBoard(connect(), "n1")
		for name, b := range map[string]*Board{"here": here, "there": there, "restarted": restarted} {
			s := refreshed(t, b)
			if s.Level != Survival || s.Override == nil || s.OverrideBy != "ana" || s.OverrideAt.Before(before) {
				t.Errorf("%s: %+v", name, s)
			}
			if s.Reason != "set to survival by ana" {
				t.Errorf("%s: reason %q", name, s.Reason)
			}
		}
		if ttl, err := client.Do(t.Context(), client.B().Ttl().Key(stateKey).Build()).AsInt64(); err != nil || ttl != -1 {
			t.Errorf("the override expires in %d s, %v", ttl, err)
		}
		if err := there.Override(t.Context(), nil, "ben"); err != nil {
			t.Fatal(err)
		}
		if s := refreshed(t, here); s.Level != Normal || s.Override != nil || s.OverrideBy != "ben" {
			t.Errorf("after lifting: %+v", s)
		}
	})
}

func TestOverrideOutlivesTheMemoryOfRedis(t *testing.T) {
	onBothEngines(t, func(t *testing.T, connect func() rueidis.Client) {
		client := connect()
		remembers := newBoard(client, "n1")
		critical := Critical
		if err := remembers.Override(t.Context(), &critical, "ana"); err != nil {
			t.Fatal(err)
		}
		if err := client.Do(t.Context(), client.B().Flushall().Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if s := refreshed(t, remembers); s.Level != Critical {
			t.Errorf("the board forgot: %+v", s)
		}
		if s := refreshed(t, newBoard(connect(), "n2")); s.Level != Critical || s.OverrideBy != "ana" {
			t.Errorf("the override was not put back: %+v", s)
		}
	})
}

func TestOverrideIsRefused(t *testing.T) {
	onBothEngines(t, func(t *testing.T, connect func() rueidis.Client) {
		b := newBoard(connect(), "n1")
		beyond := Survival + 1
		if b.Override(t.Context(), &beyond, "ana") == nil {
			t.Error("a level that does not exist was taken")
		}
		if b.Override(t.Context(), nil, "") == nil {
			t.Error("an override by nobody was taken")
		}
		if s := refreshed(t, b); s.Override != nil || !s.OverrideAt.IsZero() {
			t.Errorf("something was written: %+v", s)
		}
	})
}

func TestDamagedStateKeepsTheLastView(t *testing.T) {
	onBothEngines(t, func(t *testing.T, connect func() rueidis.Client) {
		client := connect()
		b := newBoard(client, "n1")
		elevated := Elevated
		if err := b.Override(t.Context(), &elevated, "ana"); err != nil {
			t.Fatal(err)
		}
		for _, field := range []string{fieldMeasured, fieldPin} {
			set := client.B().Hset().Key(stateKey).FieldValue().FieldValue(field, `{"level":"panic"}`).Build()
			if err := client.Do(t.Context(), set).Error(); err != nil {
				t.Fatal(err)
			}
			if err := b.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), stateKey) {
				t.Errorf("damaged %s gave %v", field, err)
			}
			if b.Level() != Elevated {
				t.Errorf("damaged %s changed the level to %v", field, b.Level())
			}
		}
	})
}

func TestSilenceOfRedisIsCritical(t *testing.T) {
	elevated := Elevated
	tests := []struct {
		name   string
		state  State
		silent time.Duration
		want   Level
	}{
		{"fresh", State{Level: Normal}, 0, Normal},
		{"just short of the limit", State{Level: Normal}, silenceLimit - time.Second, Normal},
		{"silent", State{Level: Normal}, silenceLimit, Critical},
		{"worse already", State{Level: Survival}, time.Hour, Survival},
		{"pinned", State{Level: Elevated, Override: &elevated}, time.Hour, Elevated},
	}
	for _, tt := range tests {
		b := newBoard(nil, "n1")
		b.view.Store(&view{state: tt.state, readAt: time.Now().Add(-tt.silent)})
		if got := b.State(); got.Level != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got.Level, tt.want)
		}
	}
}

func TestMetrics(t *testing.T) {
	b := newBoard(nil, "n1")
	critical := Critical
	state := State{Level: Critical, Override: &critical, Pressure: Pressure{LogLagSeconds: 4, CommitLatencyMillis: 1500}}
	b.view.Store(&view{state: state, readAt: time.Now()})
	reg := prometheus.NewRegistry()
	if err := b.Metrics(reg); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
	}
	for name, want := range map[string]float64{
		"penstock_degradation_level": 2, "penstock_degradation_overridden": 1,
		"penstock_degradation_log_lag_seconds": 4, "penstock_degradation_commit_latency_seconds": 1.5,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if b.Metrics(reg) == nil {
		t.Error("registering twice went unnoticed")
	}
}
