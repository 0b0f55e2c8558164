package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/penstock/penstock/loadtest/internal/admin"
	"github.com/penstock/penstock/loadtest/internal/stand"
)

// test is one run.
type test struct {
	opts *options
	out  io.Writer

	id       string // of the run: the time it began
	root     string // of the repository
	penstock string // the program
	k6       string
	files    reportFiles

	stand  *stand.Stand // nil when the server was given
	dir    string       // of the stand's files
	client *admin.Client
	sale   string
	sku    string
	// startsAt is when the sale made for the run starts.
	startsAt time.Time
	created  bool // the sale was made for this run: all its orders are ours

	outcome outcome
}

// reportFiles are what a run leaves behind.
type reportFiles struct {
	html, summary, console, verify string
}

// prepare finds or builds the programs and starts the server if none is given.
// A test that is returned beside an error wants to be cleaned up, too.
func prepare(ctx context.Context, opts *options, out io.Writer) (*test, error) {
	root, err := stand.Root()
	if err != nil {
		return nil, err
	}
	t := &test{opts: opts, out: out, root: root, id: time.Now().UTC().Format("20060102-150405"), k6: filepath.Join(root, "bin", "k6")}
	if _, err := os.Stat(t.k6); err != nil {
		return nil, fmt.Errorf("%s is missing; build it: make bin/k6", t.k6)
	}
	if t.penstock = opts.binary; t.penstock == "" {
		t.penstock = filepath.Join(root, "bin", "penstock")
		if err := stand.Build(ctx, root, "./cmd/penstock", t.penstock); err != nil {
			return nil, err
		}
	}
	reports := filepath.Join(root, "reports")
	if err := os.MkdirAll(reports, 0o750); err != nil {
		return nil, err
	}
	stem := filepath.Join(reports, "drop-"+t.id)
	t.files = reportFiles{html: stem + ".html", summary: stem + ".summary.json", console: stem + ".accepted.jsonl", verify: stem + ".verify.json"}
	if opts.baseURL != "" {
		t.client = admin.New(opts.consoleURL, opts.baseURL, opts.adminKey)
		return t, nil
	}
	return t, t.startStand(ctx)
}

func (t *test) startStand(ctx context.Context) (err error) {
	if t.dir, err = stand.TempDir(); err != nil {
		return err
	}
	t.printf("starting penstock (%s) …\n", t.opts.backend)
	t.stand, err = stand.Start(ctx, stand.Options{
		Backend: t.opts.backend, AppendFsync: t.opts.appendFsync, Binary: t.penstock, Dir: t.dir,
	})
	if err != nil {
		return err
	}
	t.client = admin.New(t.stand.ConsoleURL, t.stand.FrontURL, t.stand.AdminKey)
	t.printf("front %s   console %s   files %s\n", t.stand.FrontURL, t.stand.ConsoleURL, t.dir)
	return nil
}

// cleanUp stops what was started. The files stay when something went wrong.
func (t *test) cleanUp(ok bool) error {
	var failed []error
	if t.stand != nil {
		failed = append(failed, t.stand.Stop())
	}
	switch {
	case t.dir == "":
	case ok && !t.opts.keep:
		failed = append(failed, os.RemoveAll(t.dir))
	default:
		t.printf("server files and logs are kept in %s\n", t.dir)
	}
	return errors.Join(failed...)
}

func (t *test) printf(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }
