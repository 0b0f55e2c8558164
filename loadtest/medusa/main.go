// Command medusa drives the same crowd at the same shop twice: once as it is, and once with Penstock in front of it.
// The shop is Medusa (examples/medusa) on Postgres and Redis of its own. It prints both side by side.
//
//	make demo-medusa                             # installs the shop, then runs this
//	go run ./loadtest/medusa --visitors 200      # smaller
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/penstock/penstock/loadtest/internal/stand"
)

// options are the flags.
type options struct {
	visitors  int
	arrival   time.Duration
	units     int64
	timeout   time.Duration
	limit     time.Duration
	rate      int
	maxActive int
	only      string
	keep      bool
}

func parseOptions(args []string, out io.Writer) (o options, err error) {
	f := flag.NewFlagSet("loadtest/medusa", flag.ContinueOnError)
	f.SetOutput(out)
	f.IntVar(&o.visitors, "visitors", 2000, "visitors who come, each for one unit")
	f.DurationVar(&o.arrival, "arrival", 30*time.Second, "time over which they come, evenly")
	f.Int64Var(&o.units, "units", 100, "units on sale")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long a visitor waits for one answer; a usual proxy waits as long")
	f.DurationVar(&o.limit, "limit", 4*time.Minute, "how long one crowd may last; who is still there is counted")
	f.IntVar(&o.rate, "rate", 90, "admissions a minute of the sale")
	f.IntVar(&o.maxActive, "max-active", 2, "visitors of the sale who are in the shop at once")
	f.StringVar(&o.only, "only", "", "unprotected or protected; empty = both")
	f.BoolVar(&o.keep, "keep", false, "keep the files and logs")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unknown argument %q", f.Arg(0))
	case o.visitors < 1 || o.units < 1 || o.rate < 1 || o.maxActive < 1:
		return o, errors.New("--visitors, --units, --rate and --max-active: want at least 1")
	case o.arrival <= 0 || o.timeout <= 0 || o.limit <= 0:
		return o, errors.New("--arrival, --timeout and --limit: want more than 0s")
	case o.only != "" && o.only != unprotected && o.only != protected:
		return o, fmt.Errorf("--only %q: want %s or %s", o.only, unprotected, protected)
	}
	return o, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo-medusa:", err)
		os.Exit(1)
	}
}

// startsWithin bounds what is done around a crowd: the shop is installed, filled, warmed up and read off.
const startsWithin = 5 * time.Minute

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	o, err := parseOptions(args, out)
	if err != nil {
		return err
	}
	root, err := stand.Root()
	if err != nil {
		return err
	}
	penstock := filepath.Join(root, "bin", "penstock")
	if err := stand.Build(ctx, root, "./cmd/penstock", penstock); err != nil {
		return err
	}
	dir, err := stand.TempDir()
	if err != nil {
		return err
	}
	defer func() {
		if o.keep || err != nil {
			_, _ = fmt.Fprintln(out, "files and logs:", dir)
			return
		}
		_ = os.RemoveAll(dir)
	}()
	var results []result
	for _, name := range []string{unprotected, protected} {
		if o.only != "" && o.only != name {
			continue
		}
		one := trial{options: o, name: name, root: root, penstock: penstock, dir: filepath.Join(dir, name), out: out}
		got, err := one.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		results = append(results, got)
	}
	_, _ = fmt.Fprintf(out, "\n%s\n", table(o, results))
	return faults(o, results)
}
