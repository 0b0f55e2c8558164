package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/penstock/penstock/internal/verify"
)

// The two trials.
const (
	unprotected = "unprotected"
	protected   = "protected"
)

// trial is one crowd at one shop.
type trial struct {
	options
	name           string
	root, dir      string
	penstock       string // the program
	out            io.Writer
	shop           *shop
	front          *front // nil without Penstock
	startedWorking time.Time
}

// result is what a trial showed.
type result struct {
	name   string
	tally  tally
	books  books
	verify *verify.SaleReport // nil without Penstock
	load   string             // of the machine, before the crowd came
}

func (t *trial) run(ctx context.Context) (got result, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.limit+startsWithin)
	defer cancel()
	t.startedWorking = time.Now()
	got.name = t.name
	if err := os.MkdirAll(t.dir, 0o755); err != nil { //nolint:gosec // Postgres runs as a user of its own
		return got, err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	if err := t.start(ctx); err != nil {
		return got, err
	}
	t.progress("%d warm-up purchases of another article", warmUps)
	if err := t.shop.warmUp(ctx, t.timeout); err != nil {
		return got, err
	}
	if t.front != nil {
		if err := t.front.openSale(ctx, t.options); err != nil {
			return got, err
		}
	}
	got.load = loadOfMachine()
	t.progress("%d visitors come within %s (load of the machine: %s)", t.visitors, t.arrival, got.load)
	got.tally = t.crowd(ctx)
	if t.front != nil {
		if got.verify, err = t.front.verify(ctx, t.penstock); err != nil {
			return got, err
		}
	}
	t.progress("the shop comes to rest, and its books are read")
	got.books, err = t.shop.close(ctx)
	return got, err
}

func (t *trial) start(ctx context.Context) (err error) {
	t.progress("starting Postgres, Redis and the shop")
	if t.shop, err = newShop(ctx, t.root, t.dir); err != nil {
		return err
	}
	if t.name == protected {
		if t.front, err = startFront(ctx, t.penstock, t.root, t.dir, t.shop.address); err != nil {
			return err
		}
		t.shop.settings = t.front.forShop()
	}
	t.progress("migrations, and one article with %d units", t.units)
	if err := t.shop.fill(ctx, t.units); err != nil {
		return err
	}
	return t.shop.start(ctx)
}

// stop stops what runs still.
func (t *trial) stop() error {
	var failed []error
	if t.shop != nil {
		failed = append(failed, t.shop.stop())
	}
	if t.front != nil {
		failed = append(failed, t.front.stop())
	}
	return errors.Join(failed...)
}

func (t *trial) progress(format string, args ...any) {
	_, _ = fmt.Fprintf(t.out, "[%s %4.0f s] %s\n", t.name, time.Since(t.startedWorking).Seconds(), fmt.Sprintf(format, args...))
}

// loadOfMachine is the number of processes that ran or waited, on the average of the last minute; "unknown" where it cannot be read.
func loadOfMachine() string {
	text, err := os.ReadFile("/proc/loadavg")
	var load string
	if err == nil {
		_, err = fmt.Sscan(string(text), &load)
	}
	if err != nil {
		return "unknown"
	}
	return load
}
