package front

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/problem"
)

// metrics are the front's own figures. The children of the vectors are resolved once, as looking
// one up costs more than a poll should.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refusals *prometheus.CounterVec
	// takenBack counts passes that were used from too many networks.
	takenBack prometheus.Counter
	// proofs counts proofs of work by what became of them.
	proofs *prometheus.CounterVec
	// slotFailures counts slots that could not be given back after an order.
	slotFailures prometheus.Counter
	overLimit    *prometheus.CounterVec
	byCode       sync.Map // problem.Code → prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, inFlight *atomic.Int64) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "penstock_http_requests_total", Help: "Requests answered by the front.",
		}, []string{"route", "class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "penstock_http_request_seconds", Help: "Time to answer a request, in seconds, without reading it and writing the answer.",
			Buckets: prometheus.ExponentialBuckets(0.00005, 3, 12),
		}, []string{"route"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "penstock_http_refusals_total", Help: "Refusals by their code.",
		}, []string{"code"}),
		slotFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "penstock_slot_release_failures_total", Help: "Slots of passes that could not be given back after an order.",
		}),
	}
	m.takenBack = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "penstock_passes_taken_back_total", Help: "Passes that were used from too many networks and ended for it.",
	})
	m.overLimit = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "penstock_over_limit_total", Help: "Requests over a limit of their sale, by limit. In the mode log they were let through.",
	}, []string{"limit"})
	for _, rule := range bots.LimitRules() {
		m.overLimit.WithLabelValues(string(rule))
	}
	m.proofs = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "penstock_proofs_total", Help: "Proofs of work that were asked for or brought, by what became of them.",
	}, []string{"result"})
	for _, result := range proofResults() {
		m.proofs.WithLabelValues(string(result))
	}
	if reg == nil {
		return m, nil
	}
	working := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "penstock_http_in_flight", Help: "Requests being worked on.",
	}, func() float64 { return float64(inFlight.Load()) })
	for _, one := range []prometheus.Collector{m.requests, m.seconds, m.refusals, m.takenBack, m.slotFailures, m.overLimit, m.proofs, working} {
		if err := reg.Register(one); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// limited counts a request over a limit. The rules are few.
func (m *metrics) limited(rule bots.Rule) { m.overLimit.WithLabelValues(string(rule)).Inc() }

// refused counts a refusal. The codes come from the table of package problem, so they are few.
func (m *metrics) refused(code problem.Code) {
	counter, there := m.byCode.Load(code)
	if !there {
		counter, _ = m.byCode.LoadOrStore(code, m.refusals.WithLabelValues(string(code)))
	}
	counter.(prometheus.Counter).Inc()
}
