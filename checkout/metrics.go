package checkout

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the figures of this package on one node.
type Metrics struct {
	ordersAppended  prometheus.Counter
	groupsAppended  prometheus.Counter
	appendSeconds   prometheus.Histogram
	appendFailures  prometheus.Counter
	ordersRelayed   prometheus.Counter
	outboxFailures  prometheus.Counter
	journalRecords  prometheus.Counter
	journalGroups   prometheus.Counter
	journalRetries  prometheus.Counter
	journalDropped  prometheus.Counter
	ordersCommitted prometheus.Counter
	duplicates      prometheus.Counter
	commitSeconds   prometheus.Histogram
	commitFailures  prometheus.Counter
	deadLetters     prometheus.Counter
	settleFailures  prometheus.Counter
	redelivered     prometheus.Counter
	disconnects     prometheus.Counter
}

// NewMetrics makes the collectors and registers them with reg; a nil reg keeps them private.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "penstock_" + name, Help: help})
		if reg != nil {
			reg.MustRegister(c)
		}
		return c
	}
	seconds := func(name, help string) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "penstock_" + name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14), // 0.5 ms to 4 s
		})
		if reg != nil {
			reg.MustRegister(h)
		}
		return h
	}
	return &Metrics{
		ordersAppended:  counter("orders_appended_total", "Orders that the order log acknowledged."),
		groupsAppended:  counter("order_groups_appended_total", "Messages that carried those orders."),
		appendSeconds:   seconds("order_append_seconds", "Time until the order log acknowledged a group."),
		appendFailures:  counter("order_append_failures_total", "Orders that the order log did not acknowledge in time."),
		ordersRelayed:   counter("orders_relayed_total", "Orders published from the outbox because their publisher had not."),
		outboxFailures:  counter("outbox_removal_failures_total", "Published orders that stayed in the outbox, to be relayed again."),
		journalRecords:  counter("journal_records_total", "Journal records that were acknowledged."),
		journalGroups:   counter("journal_groups_total", "Messages that carried those records."),
		journalRetries:  counter("journal_retries_total", "Journal messages that were sent again."),
		journalDropped:  counter("journal_dropped_total", "Journal records that were not taken: no room in the buffer, the sale at its quota, or too long."),
		ordersCommitted: counter("orders_committed_total", "Orders that the ledger took."),
		duplicates:      counter("orders_duplicate_total", "Orders that the ledger had already."),
		commitSeconds:   seconds("ledger_commit_seconds", "Time of one commit of a batch of orders."),
		commitFailures:  counter("ledger_commit_failures_total", "Commits that failed for a reason that may pass."),
		deadLetters:     counter("dead_letters_total", "Orders set aside because the ledger can never take them."),
		settleFailures:  counter("settle_failures_total", "Settlements in Redis that failed and will be tried again."),
		redelivered:     counter("order_messages_redelivered_total", "Messages of the order log that came more than once."),
		disconnects:     counter("nats_disconnects_total", "Times that the connection to NATS was lost."),
	}
}
