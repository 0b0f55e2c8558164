package ledger

import "github.com/prometheus/client_golang/prometheus"

// collector is what Prometheus reads of a ledger.
type collector struct {
	ledger     *Ledger
	reads, lag *prometheus.Desc
}

// NewCollector tells where lists and reports are read from, and how old what the replica shows may be.
func NewCollector(l *Ledger) prometheus.Collector {
	return &collector{
		ledger: l,
		reads: prometheus.NewDesc("penstock_ledger_list_reads_total",
			"Reads of lists, exports and reports, by where they were answered: replica or primary.", []string{"from"}, nil),
		lag: prometheus.NewDesc("penstock_ledger_replica_lag_seconds",
			"How old what the read replica shows may be, as last measured; absent without a replica, and while it is not known.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) { to <- c.reads; to <- c.lag }

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	reads := &c.ledger.oldReads
	to <- prometheus.MustNewConstMetric(c.reads, prometheus.CounterValue, float64(reads.primary.Load()), fromPrimary)
	if c.ledger.replica == nil {
		return
	}
	to <- prometheus.MustNewConstMetric(c.reads, prometheus.CounterValue, float64(reads.replica.Load()), fromReplica)
	if seen := c.ledger.replica.inspection(); seen.LagKnown {
		to <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, float64(seen.LagMillis)/1000)
	}
}
