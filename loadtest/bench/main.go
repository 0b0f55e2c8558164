// Command bench measures Penstock's hot paths on this machine and puts them
// beside a bare HTTP hello of the same process shape.
//
//	go run ./loadtest/bench                       # everything, some six minutes
//	go run ./loadtest/bench --rows poll,reserve --time 2s --rounds 1
//
// For each row the hello and the row take turns (A B A B …) under the same
// requests from the same generator, and the ratio is the median over the turns:
// what else the machine does at the time hits both alike. CPU is that of all our
// processes (penstock, redis, nats, postgres), read from /proc; the generator's
// own is shown apart.
//
// It fails if a poll costs Redis a command, or if draining in batches is not 20
// times as fast as one by one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	b, err := newBench(ctx, opts, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.measureHello(ctx); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	for _, group := range groups() {
		if err := b.runGroup(ctx, group); err != nil {
			return fmt.Errorf("%s: %w", group.title, err)
		}
	}
	if err := b.runDrain(ctx); err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	if err := b.writeReport(); err != nil {
		return err
	}
	return b.promisesKept()
}
