package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/loadtest/internal/admin"
	"github.com/penstock/penstock/loadtest/internal/stand"
)

// bench is one run of the benchmark.
type bench struct {
	opts *options
	out  io.Writer

	root, dir string // of the repository; of everything temporary
	wrk       string // the generator
	penstock  string
	hello     *stand.Process
	helloURL  string
	sales     int // made so far

	results []result
	drain   *drainResult
}

func newBench(ctx context.Context, opts *options, out io.Writer) (b *bench, err error) {
	b = &bench{opts: opts, out: out}
	if b.wrk, err = findWrk(); err != nil {
		return nil, err
	}
	if b.root, err = stand.Root(); err != nil {
		return nil, err
	}
	if b.dir, err = stand.TempDir(); err != nil {
		return nil, err
	}
	if err := b.startHello(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) startHello(ctx context.Context) error {
	program := filepath.Join(b.dir, "hello")
	if err := stand.Build(ctx, b.root, "./loadtest/bench/hello", program); err != nil {
		return err
	}
	address, err := stand.FreeAddress()
	if err != nil {
		return err
	}
	b.helloURL = "http://" + address
	b.hello = &stand.Process{
		Name: "hello", Program: program, Args: []string{address}, Env: os.Environ(),
		LogPath: filepath.Join(b.dir, "hello.log"),
		Ready:   func(ctx context.Context) error { return stand.AnswersOK(ctx, b.helloURL) },
	}
	return b.hello.Start(ctx)
}

func (b *bench) close() error {
	var failed []error
	if b.hello != nil {
		failed = append(failed, b.hello.Kill()) // it has nothing to finish
	}
	return errors.Join(append(failed, os.RemoveAll(b.dir))...)
}

// needPenstock builds the program unless one was named.
func (b *bench) needPenstock(ctx context.Context) error {
	if b.penstock = b.opts.binary; b.penstock != "" {
		return nil
	}
	b.penstock = filepath.Join(b.root, "bin", "penstock")
	return stand.Build(ctx, b.root, "./cmd/penstock", b.penstock)
}

// measureHello measures the hello alone, with the plainest request.
func (b *bench) measureHello(ctx context.Context) error {
	if !b.opts.wants(helloRow) {
		return nil
	}
	b.printf("%-22s %-16s", "alone", "hello")
	var turns []turn
	for range b.opts.rounds {
		t := turn{}
		before, err := testenv.CPUTimeOfTree(b.hello.PID())
		if err != nil {
			return err
		}
		if t.hello, err = b.runWrk(ctx, "get.lua", b.helloURL, "/", nil, b.opts.length); err != nil {
			return err
		}
		after, err := testenv.CPUTimeOfTree(b.hello.PID())
		if err != nil {
			return err
		}
		t.helloCPU = micros(after-before, t.hello.Requests)
		t.row, t.rowCPU, t.cpuBy = t.hello, t.helloCPU, map[string]float64{"hello": t.helloCPU}
		turns = append(turns, t)
		b.printf("  %8.0f/s", t.row.perSecond())
	}
	b.printf("\n")
	b.results = append(b.results, summarize("alone", "hello", turns, false))
	return nil
}

// runGroup starts the group's stand and measures its rows.
func (b *bench) runGroup(ctx context.Context, g group) (err error) {
	var rows []row
	for _, r := range g.rows {
		if b.opts.wants(r.name) {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if err := b.needPenstock(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.dir, "stand-")
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // Postgres runs as a user of its own
		return err
	}
	s, err := stand.Start(ctx, stand.Options{Backend: g.backend, AppendFsync: g.appendFsync, Binary: b.penstock, Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	for _, r := range rows {
		result, err := b.measureRow(ctx, g, r, s)
		if err != nil {
			return fmt.Errorf("%s: %w", r.title, err)
		}
		b.results = append(b.results, result)
	}
	return nil
}

func (b *bench) client(s *stand.Stand) *admin.Client {
	return admin.New(s.ConsoleURL, s.FrontURL, s.AdminKey)
}

func (b *bench) printf(format string, args ...any) { fmt.Fprintf(b.out, format, args...) }
