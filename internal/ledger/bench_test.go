package ledger

import (
	"path/filepath"
	"testing"

	"github.com/penstock/penstock/internal/testenv"
)

// BenchmarkCommit compares one order a transaction with batches; the figure to
// read is orders/s. Each transaction is synced to disk.
func BenchmarkCommit(b *testing.B) {
	for _, engine := range []struct {
		name string
		url  func(b *testing.B) string
	}{
		{"postgres", func(b *testing.B) string { return testenv.Postgres(b).URL }},
		{"sqlite", func(b *testing.B) string { return filepath.Join(b.TempDir(), "l.db") }},
	} {
		for _, size := range []struct {
			name   string
			orders int
		}{{"one", 1}, {"batch500", 500}, {"batch1000", 1000}} {
			b.Run(engine.name+"/"+size.name, func(b *testing.B) {
				l := open(b, engine.url(b))
				newSale(b, l, "drop", 1<<40, "a")
				next := 0
				for b.Loop() {
					commit(b, l, orderRange("drop", "a", next, next+size.orders)...)
					next += size.orders
				}
				b.ReportMetric(float64(next)/b.Elapsed().Seconds(), "orders/s")
			})
		}
	}
}
