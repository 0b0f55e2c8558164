// Command run load-tests a drop and gives the verdict on the ledger afterwards.
//
//	go run ./loadtest/run                                # starts an embedded server of its own
//	go run ./loadtest/run --backend real                 # on real Redis, Postgres and NATS
//	go run ./loadtest/run --kill-after 20s               # kill -9 in the middle of the sale
//	go run ./loadtest/run --backend real --stop-postgres 20s
//	BASE_URL=… PENSTOCK_CONSOLE_URL=… PENSTOCK_ADMIN_KEY=… go run ./loadtest/run
//
// It exits 0 only if every answer kept the contract, every invariant holds, and
// every order that was accepted is in the ledger exactly once.
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
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

// run makes everything that a load test needs, from the server to the verdict.
func run(ctx context.Context, args []string, out io.Writer) (err error) {
	opts, err := parseOptions(args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, opts.limit())
	defer cancel()
	t, err := prepare(ctx, opts, out)
	if t != nil {
		defer func() { err = errors.Join(err, t.cleanUp(err == nil)) }()
	}
	if err != nil {
		return err
	}
	if err := t.openSale(ctx); err != nil {
		return err
	}
	if err := t.drop(ctx); err != nil {
		return err
	}
	return t.judge(ctx)
}
