package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/penstock/penstock/loadtest/internal/stand"
)

// options are what a run is told. Sizes default to the environment, so that
// `make loadtest VISITORS=2000` works.
type options struct {
	baseURL, consoleURL, adminKey string
	sale                          string // of the given server; "" = one made for the run

	backend     stand.Backend
	appendFsync string
	binary      string
	keep        bool // files of the server

	visitors       int
	arrivalSeconds int
	arrival        string
	stock          int64
	ratePerMinute  int
	ttl            time.Duration
	passTTL        time.Duration
	patience       time.Duration
	order          string
	durability     string

	killAfter      time.Duration
	kill           string
	stopPostgres   time.Duration
	stopPostgresAt time.Duration
}

// outage tells whether the run breaks something on purpose that visitors notice.
func (o *options) outage() bool { return o.killAfter > 0 }

// limit bounds the whole run.
func (o *options) limit() time.Duration {
	return time.Duration(o.arrivalSeconds)*time.Second + o.patience + o.stopPostgres + 6*time.Minute
}

func parseOptions(args []string) (*options, error) {
	o := &options{
		baseURL: os.Getenv("BASE_URL"), consoleURL: os.Getenv("PENSTOCK_CONSOLE_URL"),
		adminKey: os.Getenv("PENSTOCK_ADMIN_KEY"), sale: os.Getenv("SALE"),
	}
	var backend string
	f := flag.NewFlagSet("loadtest/run", flag.ContinueOnError)
	f.StringVar(&backend, "backend", "embedded", "what the server started for the run stands on: embedded or real (redis-server, postgres, nats-server)")
	f.StringVar(&o.appendFsync, "appendfsync", "everysec", "appendfsync of the real Redis: always, everysec or no")
	f.StringVar(&o.binary, "penstock", "", "the penstock program; empty = build bin/penstock")
	f.BoolVar(&o.keep, "keep", false, "keep the server's files and logs also when all is well")
	f.IntVar(&o.visitors, "visitors", envInt("VISITORS", 20000), "visitors who come")
	f.IntVar(&o.arrivalSeconds, "arrival-seconds", envInt("ARRIVAL_SECONDS", 60), "time over which they come")
	f.StringVar(&o.arrival, "arrival", envText("ARRIVAL", "rush"), "how they come: constant, or rush (most at first)")
	f.Int64Var(&o.stock, "stock", int64(envInt("STOCK", 1000)), "units on sale")
	f.IntVar(&o.ratePerMinute, "rate", envInt("RATE", 0), "admissions a minute; 0 = 3000, or 1000 when something is broken on purpose, so that the sale lasts")
	f.DurationVar(&o.ttl, "ttl", 20*time.Second, "how long a reservation is held")
	f.DurationVar(&o.passTTL, "pass-ttl", 90*time.Second, "how long a pass is valid")
	f.DurationVar(&o.patience, "patience", 4*time.Minute, "how long a visitor waits before giving up")
	f.StringVar(&o.order, "order", "fifo", "order of the line: fifo or draw")
	f.StringVar(&o.durability, "durability", "", "what a reservation's 201 promises: memory, journaled or durable; empty = the server's default")
	f.DurationVar(&o.killAfter, "kill-after", 0, "kill -9 this long after the start of the sale, then start again at the same ports with the same data")
	f.StringVar(&o.kill, "kill", "penstock", "whom to kill: penstock, redis or nats")
	f.DurationVar(&o.stopPostgres, "stop-postgres", 0, "stop Postgres in the middle of the sale for this long (backend real)")
	f.DurationVar(&o.stopPostgresAt, "stop-postgres-at", 15*time.Second, "when to stop it, after the start of the sale")
	if err := f.Parse(args); err != nil {
		return nil, errors.Join(flag.ErrHelp, err)
	}
	var err error
	if o.backend, err = stand.ParseBackend(backend); err != nil {
		return nil, err
	}
	if o.ratePerMinute == 0 {
		o.ratePerMinute = 3000
		if o.killAfter > 0 || o.stopPostgres > 0 {
			o.ratePerMinute = 1000
		}
	}
	return o, o.validate(f.Args())
}

func (o *options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unknown argument %q", rest[0])
	case o.visitors < 1 || o.arrivalSeconds < 1 || o.stock < 1:
		return errors.New("--visitors, --arrival-seconds and --stock: want at least 1")
	case o.kill != "penstock" && o.kill != "redis" && o.kill != "nats":
		return fmt.Errorf("--kill %q: want penstock, redis or nats", o.kill)
	case o.baseURL != "":
		return o.validateGiven()
	default:
		return o.validateOwn()
	}
}

// validateGiven checks what only a run on a given server can get wrong.
func (o *options) validateGiven() error {
	if o.consoleURL == "" || o.adminKey == "" {
		return errors.New("with BASE_URL, set PENSTOCK_CONSOLE_URL and PENSTOCK_ADMIN_KEY too: the sale is created and the verdict is asked for there")
	}
	if o.killAfter > 0 || o.stopPostgres > 0 {
		return errors.New("--kill-after and --stop-postgres work only on a server that the run started itself; unset BASE_URL")
	}
	return nil
}

// validateOwn checks what only a run with a server of its own can get wrong.
func (o *options) validateOwn() error {
	switch {
	case o.sale != "":
		return errors.New("SALE names a sale of a given server: set BASE_URL, too")
	case o.stopPostgres > 0 && o.backend != stand.Real:
		return errors.New("--stop-postgres needs --backend real")
	case o.kill != "penstock" && o.backend != stand.Real:
		return fmt.Errorf("--kill %s needs --backend real", o.kill)
	default:
		return nil
	}
}

func envText(name, fallback string) string {
	if text := os.Getenv(name); text != "" {
		return text
	}
	return fallback
}

func envInt(name string, fallback int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return fallback
}
