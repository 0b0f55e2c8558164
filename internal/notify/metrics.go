package notify

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	outcomes *prometheus.CounterVec
	delay    *prometheus.HistogramVec
	waiting  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "penstock_notifications_total", Help: "What became of the notifications that visitors asked for, and of each attempt (try_again).",
		}, []string{"way", "outcome"}),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "penstock_notification_seconds", Help: "From the call of a visitor to the moment at which the push service or the shop had taken the notification.",
			Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"way"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "penstock_notifications_waiting", Help: "Notifications that the leader knows of and that are still to be sent; 0 on other nodes.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.outcomes), reg.Register(m.delay), reg.Register(m.waiting))
}

func (m *metrics) count(way Way, v verdict) { m.outcomes.WithLabelValues(string(way), string(v)).Inc() }

func (m *metrics) took(way Way, d time.Duration) {
	m.delay.WithLabelValues(string(way)).Observe(max(d, 0).Seconds())
}
