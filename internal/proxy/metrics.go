package proxy

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// decision is how a request was met; it is the value of a label.
type decision string

const (
	decidedOpen       decision = "open"        // nothing protects it
	decidedPreflight  decision = "preflight"   // a browser asks before it asks
	decidedBypass     decision = "bypass"      // it needs no pass
	decidedAdmitted   decision = "admitted"    // with a pass, or the sale needs none
	decidedShadow     decision = "shadow"      // let through whatever was decided
	decidedFailedOpen decision = "failed_open" // not known, and the rule lets through then
	decidedUnknown    decision = "unknown"     // not known, and refused
	decidedRefused    decision = "refused"     // sent to the waiting room
)

var decisions = []decision{
	decidedOpen, decidedPreflight, decidedBypass, decidedAdmitted, decidedShadow, decidedFailedOpen, decidedUnknown, decidedRefused,
}

// metrics are the proxy's figures. Those of a site are looked up once, as they are counted for each request.
type metrics struct {
	bySite    map[*site]*siteMetrics
	refusals  *prometheus.CounterVec
	failures  *prometheus.CounterVec
	retries   *prometheus.CounterVec
	commands  *prometheus.CounterVec
	answers   *prometheus.CounterVec
	decisions *prometheus.CounterVec
	firstByte *prometheus.HistogramVec
}

type siteMetrics struct {
	byClass    [6]prometheus.Counter // by the first digit of the status
	byDecision map[decision]prometheus.Counter
	firstByte  prometheus.Observer
}

func newMetrics(reg prometheus.Registerer, p *Proxy) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		bySite:    make(map[*site]*siteMetrics),
		answers:   counter("penstock_proxy_answers_total", "Answers of the shop that were passed on.", "site", "class"),
		decisions: counter("penstock_proxy_decisions_total", "Requests for the shop by what was decided about them.", "site", "decision"),
		refusals:  counter("penstock_proxy_refusals_total", "Requests for the shop that Penstock answered with a refusal, by its code.", "code"),
		failures:  counter("penstock_proxy_upstream_failures_total", "Requests that a server of the shop did not answer well.", "site", "reason"),
		retries:   counter("penstock_proxy_retries_total", "Requests sent again because the shop had closed the kept connection.", "site"),
		commands:  counter("penstock_proxy_commands_total", "Commands of the shop by what became of them.", "site", "outcome"),
		firstByte: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "penstock_proxy_first_byte_seconds", Help: "Time from the request to the first byte of the shop's answer, in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 3, 11),
		}, []string{"site"}),
	}
	for _, one := range p.sites.all {
		m.bySite[one] = m.of(one)
	}
	if reg == nil {
		return m, nil
	}
	for _, one := range []prometheus.Collector{m.answers, m.decisions, m.refusals, m.failures, m.retries, m.commands, m.firstByte, gauge(
		"penstock_proxy_in_flight", "Requests for the shop that are under way.", func() float64 { return float64(p.requests.Load()) },
	), gauge(
		"penstock_proxy_streams", "WebSockets and event streams that are open.", func() float64 { return float64(p.openStreams()) },
	), newServerCollector(p)} {
		if err := reg.Register(one); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

func (m *metrics) of(s *site) *siteMetrics {
	one := &siteMetrics{byDecision: make(map[decision]prometheus.Counter), firstByte: m.firstByte.WithLabelValues(s.name)}
	for digit := range one.byClass {
		class := "other"
		if digit > 0 {
			class = strconv.Itoa(digit) + "xx"
		}
		one.byClass[digit] = m.answers.WithLabelValues(s.name, class)
	}
	for _, d := range decisions {
		one.byDecision[d] = m.decisions.WithLabelValues(s.name, string(d))
	}
	return one
}

func (m *siteMetrics) answered(status int) { m.byClass[min(status/100, 5)].Inc() }

func (m *siteMetrics) decided(d decision) { m.byDecision[d].Inc() }

// serverCollector tells which servers of the shops are up.
type serverCollector struct {
	proxy *Proxy
	up    *prometheus.Desc
}

func newServerCollector(p *Proxy) *serverCollector {
	return &serverCollector{proxy: p, up: prometheus.NewDesc("penstock_proxy_server_up",
		"1 while requests are sent to a server of the shop, 0 while its breaker is open or its health check fails.",
		[]string{"site", "server"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *serverCollector) Describe(into chan<- *prometheus.Desc) { into <- c.up }

// Collect implements prometheus.Collector.
func (c *serverCollector) Collect(into chan<- prometheus.Metric) {
	for _, one := range c.proxy.sites.all {
		for _, s := range one.upstream.servers {
			up := 0.0
			if s.isUp() {
				up = 1
			}
			into <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, up, one.name, s.label)
		}
	}
}
