package degrade

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics registers what this node sees: the level in force, whether it is pinned, and the
// pressure as the leader last measured it.
func (b *Board) Metrics(reg prometheus.Registerer) error {
	gauge := func(name, help string, value func(State) float64) prometheus.Collector {
		opts := prometheus.GaugeOpts{Name: name, Help: help}
		return prometheus.NewGaugeFunc(opts, func() float64 { return value(b.State()) })
	}
	return errors.Join(
		reg.Register(gauge("penstock_degradation_level",
			"Degradation level in force: 0 normal, 1 elevated, 2 critical, 3 survival.",
			func(s State) float64 { return float64(s.Level) })),
		reg.Register(gauge("penstock_degradation_overridden",
			"1 while an operator pins the degradation level.",
			func(s State) float64 {
				if s.Override != nil {
					return 1
				}
				return 0
			})),
		reg.Register(gauge("penstock_degradation_log_lag_seconds",
			"Age of the oldest order accepted and not yet in the ledger, as last measured.",
			func(s State) float64 { return s.Pressure.LogLagSeconds })),
		reg.Register(gauge("penstock_degradation_commit_latency_seconds",
			"Slowest recent commit to the ledger, as last measured.",
			func(s State) float64 { return s.Pressure.CommitLatencyMillis / 1000 })),
	)
}
