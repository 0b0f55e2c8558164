package shadow

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
)

// metrics count over all sales; the report of a sale has its own figures.
type metrics struct {
	calls   *prometheus.CounterVec
	notSeen *prometheus.CounterVec
	gates   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, s *Shadow) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		calls: counter("penstock_shadow_calls_total",
			"Calls of shops in shadow mode by what the shop decided and what Penstock would have decided.", "outcome", "verdict"),
		notSeen: counter("penstock_shadow_not_seen_total", "Calls of shops in shadow mode that were not decided, by reason.", "reason"),
		gates:   counter("penstock_shadow_gate_total", "Requests at the gate in shadow mode by what would have become of them.", "verdict"),
	}
	for _, why := range unseens {
		m.notSeen.WithLabelValues(string(why))
	}
	if reg == nil {
		return m, nil
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "penstock_shadow_waiting", Help: "Calls of shops in shadow mode that wait for their decision.",
	}, func() float64 { return float64(len(s.calls) + len(s.chosen) + len(s.soon) + len(s.later)) })
	return m, errors.Join(reg.Register(m.calls), reg.Register(m.notSeen), reg.Register(m.gates), reg.Register(waiting))
}

func (m *metrics) decided(outcome ledger.ShadowOutcome, code problem.Code) {
	if code == "" {
		code = "sold"
	}
	m.calls.WithLabelValues(string(outcome), string(code)).Inc()
}

func (m *metrics) unseen(why Unseen) { m.notSeen.WithLabelValues(string(why)).Inc() }

func (m *metrics) gate(v GateVerdict) {
	verdict := "admit"
	if !v.Admit {
		verdict = v.Reason
	}
	m.gates.WithLabelValues(verdict).Inc()
}
