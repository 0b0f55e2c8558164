package degrade

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)

// phase is a stretch of constant pressure, sampled each period.
type phase struct {
	seconds  float64
	pressure Pressure
}

// play runs Next through the phases and returns the level after each.
func play(start Level, phases ...phase) (levels []Level, last State) {
	s := State{Measured: start}.settle()
	now := epoch
	for _, ph := range phases {
		for end := now.Add(time.Duration(ph.seconds * float64(time.Second))); now.Before(end); now = now.Add(period) {
			s = Next(s, ph.pressure, now, DefaultLimits())
		}
		levels = append(levels, s.Level)
	}
	return levels, s
}

func lag(seconds float64) Pressure     { return Pressure{LogLagSeconds: seconds} }
func commit(millis float64) Pressure   { return Pressure{CommitLatencyMillis: millis} }
func failed(because string) Pressure   { return Pressure{Failure: because} }
func hold(p Pressure, s float64) phase { return phase{seconds: s, pressure: p} }

func TestNext(t *testing.T) {
	tests := []struct {
		name   string
		start  Level
		phases []phase
		want   []Level
	}{
		{"quiet stays normal", Normal, []phase{hold(lag(1.9), 60)}, []Level{Normal}},
		{"a spike under a second is ignored", Normal, []phase{hold(lag(100), 1), hold(lag(0), 1)}, []Level{Normal, Normal}},
		{"a second is enough", Normal, []phase{hold(lag(2), 1.25)}, []Level{Elevated}},
		{"levels are skipped on the way up", Normal, []phase{hold(lag(60), 1.25)}, []Level{Survival}},
		{"up to what was sustained, not to the peak", Normal, []phase{hold(lag(10), 1), hold(lag(60), 0.25)}, []Level{Normal, Critical}},
		{"commit latency alone", Normal, []phase{hold(commit(500), 1.25), hold(commit(2000), 1.25), hold(commit(10_000), 1.25)}, []Level{Elevated, Critical, Survival}},
		{"just below each threshold", Normal, []phase{hold(Pressure{LogLagSeconds: 9.99, CommitLatencyMillis: 1999}, 20)}, []Level{Elevated}},
		{"a figure in the band holds the level", Critical, []phase{hold(lag(5), 600)}, []Level{Critical}},
		{"down one level after ten seconds", Survival, []phase{hold(lag(0), 10), hold(lag(0), 0.25), hold(lag(0), 10), hold(lag(0), 10.25), hold(lag(0), 10.25)}, []Level{Survival, Critical, Critical, Elevated, Normal}},
		{"a bump restarts the wait", Elevated, []phase{hold(lag(0), 9), hold(lag(1.5), 0.25), hold(lag(0), 9), hold(lag(0), 1.25)}, []Level{Elevated, Elevated, Elevated, Normal}},
		{"blindness is critical", Normal, []phase{hold(failed("nats is down"), 1.25), hold(failed("nats is down"), 60)}, []Level{Critical, Critical}},
		{"blindness is no way to recover", Critical, []phase{hold(failed("nats is down"), 60)}, []Level{Critical}},
		{"blindness with a bad figure", Normal, []phase{hold(Pressure{LogLagSeconds: 70, Failure: "timeout"}, 1.25)}, []Level{Survival}},
		{"no number is no comfort", Normal, []phase{hold(lag(math.NaN()), 1.25)}, []Level{Critical}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, last := play(tt.start, tt.phases...)
			for i := range tt.want {
				if got[i] != tt.want[i] {
					t.Fatalf("levels %v, want %v (%s)", got, tt.want, last.Reason)
				}
			}
		})
	}
}

func TestNextSaysWhy(t *testing.T) {
	tests := []struct {
		phases []phase
		want   string
	}{
		{[]phase{hold(lag(0), 2)}, "no pressure"},
		{[]phase{hold(lag(12.34), 2)}, "12.3 s behind"},
		{[]phase{hold(commit(2500), 2)}, "2500 ms"},
		{[]phase{hold(failed("nats: no servers"), 2)}, "cannot be measured: nats: no servers"},
		{[]phase{hold(lag(3), 2), hold(lag(0), 2)}, "eased"},
	}
	for _, tt := range tests {
		if _, last := play(Normal, tt.phases...); !strings.Contains(last.Reason, tt.want) {
			t.Errorf("reason %q does not contain %q", last.Reason, tt.want)
		}
	}
}

func TestAGapIsNotSustained(t *testing.T) {
	limits := DefaultLimits()
	s := Next(State{}, lag(60), epoch, limits)
	s = Next(s, lag(60), epoch.Add(limits.MaxGap+time.Millisecond), limits)
	if s.Level != Normal {
		t.Errorf("two samples %v apart counted as sustained pressure: %v", limits.MaxGap, s.Level)
	}
	s = Next(s, lag(60), epoch.Add(limits.MaxGap+time.Millisecond+limits.RiseAfter), limits)
	if s.Level != Survival {
		t.Errorf("sustained pressure after a gap gave %v", s.Level)
	}
}

func TestOverrideWinsBothWays(t *testing.T) {
	for _, pinned := range Levels() {
		s := State{Override: &pinned, OverrideBy: "ana", OverrideAt: epoch.Add(-time.Hour)}
		for at := range 8 {
			s = Next(s, lag(60), epoch.Add(time.Duration(at)*period), DefaultLimits())
		}
		if s.Level != pinned || s.Measured != Survival {
			t.Errorf("pinned %v: level %v, measured %v", pinned, s.Level, s.Measured)
		}
		if s.Reason != "set to "+pinned.String()+" by ana" || !s.Since.Equal(s.OverrideAt) {
			t.Errorf("pinned %v: reason %q since %v", pinned, s.Reason, s.Since)
		}
	}
}

func drawPressure(t *rapid.T, label string) Pressure {
	p := Pressure{
		LogLagSeconds:       rapid.SampledFrom([]float64{0, 0.9, 1, 1.9, 2, 4.9, 5, 9, 10, 29, 30, 59, 60, 300}).Draw(t, label+"lag"),
		CommitLatencyMillis: rapid.SampledFrom([]float64{0, 249, 250, 499, 500, 999, 1000, 2000, 5000, 10_000}).Draw(t, label+"commit"),
	}
	if rapid.IntRange(0, 9).Draw(t, label+"fails") == 0 {
		p.Failure = "unreachable"
	}
	return p
}

// Never down by more than one level, and never within FallAfter of the last change.
func TestNextNeverSkipsDown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := DefaultLimits()
		s := State{Measured: rapid.SampledFrom(Levels()).Draw(t, "start"), MeasuredSince: epoch}.settle()
		now := epoch
		for range rapid.IntRange(1, 30).Draw(t, "phases") {
			p := drawPressure(t, "")
			for range rapid.IntRange(1, 60).Draw(t, "samples") {
				now = now.Add(period)
				next := Next(s, p, now, limits)
				if next.Level < s.Level-1 {
					t.Fatalf("fell from %v to %v at once", s.Level, next.Level)
				}
				if next.Level < s.Level && now.Sub(s.MeasuredSince) < limits.FallAfter {
					t.Fatalf("fell to %v only %v after the last change", next.Level, now.Sub(s.MeasuredSince))
				}
				if next.Level != s.Level && !next.Since.Equal(now) {
					t.Fatalf("level changed at %v, since says %v", now, next.Since)
				}
				s = next
			}
		}
	})
}

// Of two histories, the one with more pressure at every moment never shows the lower level.
func TestNextIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := DefaultLimits()
		var less, more State
		now := epoch
		for range rapid.IntRange(1, 30).Draw(t, "phases") {
			p, extra := drawPressure(t, "less "), drawPressure(t, "extra ")
			q := Pressure{
				LogLagSeconds:       max(p.LogLagSeconds, extra.LogLagSeconds),
				CommitLatencyMillis: max(p.CommitLatencyMillis, extra.CommitLatencyMillis),
				Failure:             p.Failure + extra.Failure,
			}
			for range rapid.IntRange(1, 60).Draw(t, "samples") {
				now = now.Add(period)
				less, more = Next(less, p, now, limits), Next(more, q, now, limits)
				if less.Level > more.Level {
					t.Fatalf("%+v gave %v, the greater %+v gave %v", p, less.Level, q, more.Level)
				}
			}
		}
	})
}

// Whatever came before, calm leads back to normal within three falls.
func TestNextRecovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var phases []phase
		for range rapid.IntRange(0, 20).Draw(t, "phases") {
			phases = append(phases, hold(drawPressure(t, ""), float64(rapid.IntRange(1, 15).Draw(t, "seconds"))))
		}
		phases = append(phases, hold(Pressure{}, 31))
		if _, last := play(Normal, phases...); last.Level != Normal {
			t.Fatalf("still %v after 31 s of calm: %s", last.Level, last.Reason)
		}
	})
}
