package degrade

import (
	"fmt"
	"math"
	"time"
)

// Pressure is one measurement of what stands between accepted orders and the ledger.
type Pressure struct {
	// LogLagSeconds is the age of the oldest order accepted and not yet in the ledger.
	LogLagSeconds float64 `json:"log_lag_seconds"`
	// CommitLatencyMillis is what the slowest drain's last commit to the ledger took.
	CommitLatencyMillis float64 `json:"commit_latency_ms"`
	// Failure is set when the measurement itself failed: not being able to look is pressure too.
	Failure string `json:"failure,omitempty"`
}

// Steps holds what a figure must reach for each level above Normal.
type Steps struct{ Elevated, Critical, Survival float64 }

func (s Steps) at(l Level) float64 {
	switch l {
	case Elevated:
		return s.Elevated
	case Critical:
		return s.Critical
	default:
		return s.Survival
	}
}

// Limits are the thresholds and waiting times of Next.
type Limits struct {
	LogLagSeconds       Steps
	CommitLatencyMillis Steps
	// RiseAfter is how long pressure must last before the level goes up to it.
	RiseAfter time.Duration
	// FallAfter is how long it must stay below FallRatio × the current level's thresholds before
	// the level goes down by one.
	FallAfter time.Duration
	FallRatio float64
	// MaxGap is the longest silence between two measurements that still counts as sustained: after
	// a longer one (a change of leader, a stall) both waiting times start anew.
	MaxGap time.Duration
}

// DefaultLimits are the thresholds used in production.
//
// A log lag of 2 s is ten times what a healthy drain shows; at 60 s a buyer has given up on the
// confirmation. Commits take a few milliseconds, so 500 ms says that the ledger is struggling and
// 10 s that it is all but gone.
func DefaultLimits() Limits {
	return Limits{
		LogLagSeconds:       Steps{Elevated: 2, Critical: 10, Survival: 60},
		CommitLatencyMillis: Steps{Elevated: 500, Critical: 2000, Survival: 10_000},
		RiseAfter:           time.Second,
		FallAfter:           10 * time.Second,
		FallRatio:           0.5,
		MaxGap:              5 * time.Second,
	}
}

// reaches says whether p is at or above the thresholds of l, each multiplied by ratio, and names
// the figure that is. A failed or senseless measurement counts as Critical at any ratio.
func (limits Limits) reaches(p Pressure, l Level, ratio float64) (reason string, yes bool) {
	if p.LogLagSeconds >= limits.LogLagSeconds.at(l)*ratio {
		return fmt.Sprintf("the order log is %.1f s behind", p.LogLagSeconds), true
	}
	if p.CommitLatencyMillis >= limits.CommitLatencyMillis.at(l)*ratio {
		return fmt.Sprintf("commits to the ledger take %.0f ms", p.CommitLatencyMillis), true
	}
	if failure := p.failure(); failure != "" && l <= Critical {
		return "pressure cannot be measured: " + failure, true
	}
	return "", false
}

func (p Pressure) failure() string {
	if p.Failure == "" && (math.IsNaN(p.LogLagSeconds) || math.IsNaN(p.CommitLatencyMillis)) {
		return "a figure is not a number"
	}
	return p.Failure
}
