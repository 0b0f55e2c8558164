package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// drainBatch is how many orders the drain commits at once when it has a backlog.
const drainBatch = 500

// drainResult compares orders committed to Postgres in batches and one by one.
type drainResult struct {
	Batch          int     `json:"batch"`
	BatchPerSecond float64 `json:"batch_per_second"`
	RowPerSecond   float64 `json:"row_per_second"`
	Ratio          float64 `json:"ratio"` // median over the turns
	// CPU is µs an order, of Postgres and of the client (this process).
	BatchCPUMicros float64 `json:"batch_cpu_us"`
	RowCPUMicros   float64 `json:"row_cpu_us"`
}

// committed is one measurement of the ledger.
type committed struct {
	perSecond, cpuMicros float64
}

// runDrain lets batches and single orders take turns, each a transaction as the
// drain makes it, on one connection.
func (b *bench) runDrain(ctx context.Context) (err error) {
	if !b.opts.wants(drainRow) {
		return nil
	}
	dir, err := os.MkdirTemp(b.dir, "drain-")
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // Postgres runs as a user of its own
		return err
	}
	postgres, err := testenv.StartPostgres(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Stop()) }()
	d, err := openDrain(ctx, postgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.ledger.Close()) }()

	b.printf("%-22s %-16s", "Postgres", "drain")
	var batches, rows, ratios []float64
	result := &drainResult{Batch: drainBatch}
	for range b.opts.rounds {
		batch, err := d.commit(ctx, drainBatch, b.opts.length)
		if err != nil {
			return err
		}
		row, err := d.commit(ctx, 1, b.opts.length)
		if err != nil {
			return err
		}
		b.printf("  %8.0f/s", batch.perSecond)
		batches, rows = append(batches, batch.perSecond), append(rows, row.perSecond)
		ratios = append(ratios, batch.perSecond/row.perSecond)
		result.BatchCPUMicros, result.RowCPUMicros = batch.cpuMicros, row.cpuMicros
	}
	b.printf("\n")
	result.BatchPerSecond, result.RowPerSecond, result.Ratio = middle(batches), middle(rows), middle(ratios)
	b.drain = result
	return nil
}

// drainer commits made-up orders.
type drainer struct {
	postgres *testenv.PostgresServer
	ledger   *ledger.Ledger
	made     int
}

const drainSale = "bench-drain"

func openDrain(ctx context.Context, postgres *testenv.PostgresServer) (*drainer, error) {
	url, err := postgres.CreateDatabase(ctx)
	if err != nil {
		return nil, err
	}
	l, err := ledger.Open(ctx, url, slog.New(slog.DiscardHandler), ledger.Options{})
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	s := sale.Sale{
		ID: drainSale, Name: "Benchmark: drain", StartsAt: now, EndsAt: now.Add(time.Hour),
		Items: []sale.Item{{SKU: sku, Name: "The one thing", Stock: hugeStock}},
	}.WithDefaults()
	rec := sale.Record{Sale: s, Version: 1, Epoch: 1, CreatedAt: now, UpdatedAt: now}
	if err := l.CreateSale(ctx, rec); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &drainer{postgres: postgres, ledger: l}, nil
}

// commit writes orders for a while, so many in a transaction.
func (d *drainer) commit(ctx context.Context, size int, length time.Duration) (c committed, err error) {
	before, err := testenv.CPUTimeOfTree(os.Getpid()) // Postgres is a child of this process
	if err != nil {
		return c, err
	}
	began, done := time.Now(), 0
	for time.Since(began) < length {
		result, err := d.ledger.CommitOrders(ctx, d.orders(size))
		if err != nil {
			return c, err
		}
		if len(result.Inserted) != size {
			return c, fmt.Errorf("%d of %d orders were inserted", len(result.Inserted), size)
		}
		done += size
	}
	elapsed := time.Since(began)
	after, err := testenv.CPUTimeOfTree(os.Getpid())
	return committed{perSecond: float64(done) / elapsed.Seconds(), cpuMicros: micros(after-before, int64(done))}, err
}

func (d *drainer) orders(n int) []checkout.Order {
	orders := make([]checkout.Order, n)
	now := time.Now().UnixMilli()
	for i := range orders {
		d.made++
		id := fmt.Sprintf("%s_1_%024d", drainSale, d.made)
		orders[i] = checkout.Order{
			ID: "ord_" + id, Sale: drainSale, Reservation: "rsv_" + id, Customer: fmt.Sprintf("%032x", d.made),
			CustomerDoc: []byte(`{"email":"ada@example.com","name":"Ada Example"}`), PaymentRef: "bench",
			Lines:           []checkout.Line{{SKU: sku, Quantity: 1, UnitAmount: 100, Currency: "EUR"}},
			CreatedAtMillis: now, Epoch: 1,
		}
	}
	return orders
}
