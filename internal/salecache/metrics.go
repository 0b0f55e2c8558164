package salecache

import "github.com/prometheus/client_golang/prometheus"

// Collector shows the figures of every sale on this node's /metrics, read from the snapshots. The
// number of series follows the number of sales and their items, both of which are bounded.
type Collector struct {
	cache    *Cache
	units    *prometheus.Desc
	tickets  *prometheus.Desc
	passes   *prometheus.Desc
	admitted *prometheus.Desc
	late     *prometheus.Desc
}

// NewCollector returns a collector over the cache.
func NewCollector(c *Cache) *Collector {
	return &Collector{
		cache:    c,
		units:    prometheus.NewDesc("penstock_units", "Units of an item by state; allocated = available - owed + held + sold + withheld.", []string{"sale", "sku", "state"}, nil),
		tickets:  prometheus.NewDesc("penstock_tickets", "Tickets given out (entrants), and how many of them were called.", []string{"sale", "state"}, nil),
		passes:   prometheus.NewDesc("penstock_passes_active", "Passes that are neither expired nor given back.", []string{"sale"}, nil),
		admitted: prometheus.NewDesc("penstock_admitted_last_minute", "Admissions in the rolling 60 s.", []string{"sale"}, nil),
		late:     prometheus.NewDesc("penstock_admitted_late_total", "Visitors who missed the turn and took it up in the grace; starts again when Redis is lost.", []string{"sale"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.units, c.tickets, c.passes, c.admitted, c.late} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for _, entry := range c.cache.All() {
		rec, room, stock := entry.Record(), entry.Room().Snapshot(), entry.Stock().Snapshot()
		gauge(c.tickets, float64(room.AllEntrants()), rec.ID, "entered")
		gauge(c.tickets, float64(room.AllCalled()), rec.ID, "called")
		gauge(c.passes, float64(room.Active), rec.ID)
		gauge(c.admitted, float64(room.AdmittedLastMinute), rec.ID)
		metrics <- prometheus.MustNewConstMetric(c.late, prometheus.CounterValue, float64(room.AdmittedLate()), rec.ID)
		if !stock.Ready {
			continue
		}
		for i, item := range rec.Items {
			if i >= len(stock.Items) {
				break
			}
			counts := stock.Items[i]
			gauge(c.units, float64(counts.Allocated), rec.ID, item.SKU, "allocated")
			gauge(c.units, float64(counts.Available), rec.ID, item.SKU, "available")
			gauge(c.units, float64(counts.Held), rec.ID, item.SKU, "held")
			gauge(c.units, float64(counts.Sold), rec.ID, item.SKU, "sold")
			gauge(c.units, float64(counts.Withheld), rec.ID, item.SKU, "withheld")
			gauge(c.units, float64(counts.Owed), rec.ID, item.SKU, "owed")
		}
	}
}
