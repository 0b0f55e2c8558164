package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"
)

type options struct {
	length      time.Duration // of one measurement
	rounds      int
	connections int
	threads     int
	rows        []string // empty = all
	durability  string
	binary      string
}

func parseOptions(args []string) (*options, error) {
	o := &options{}
	var rows string
	f := flag.NewFlagSet("loadtest/bench", flag.ContinueOnError)
	f.DurationVar(&o.length, "time", 5*time.Second, "length of one measurement")
	f.IntVar(&o.rounds, "rounds", 3, "measurements of each row, each beside one of hello")
	f.IntVar(&o.connections, "connections", 64, "connections of the generator")
	f.IntVar(&o.threads, "threads", 1, "threads of the generator")
	f.StringVar(&rows, "rows", "", "only these rows, separated by commas: "+strings.Join(rowNames(), ", "))
	f.StringVar(&o.durability, "durability", "", "what a reservation's 201 promises: memory, journaled or durable; empty = the server's default")
	f.StringVar(&o.binary, "penstock", "", "the penstock program; empty = build bin/penstock")
	if err := f.Parse(args); err != nil {
		return nil, errors.Join(flag.ErrHelp, err)
	}
	if rows != "" {
		o.rows = strings.Split(rows, ",")
	}
	for _, name := range o.rows {
		if !slices.Contains(rowNames(), name) {
			return nil, fmt.Errorf("--rows: no row %q; there are %s", name, strings.Join(rowNames(), ", "))
		}
	}
	if o.length < time.Second || o.rounds < 1 || o.connections < 1 || o.threads < 1 {
		return nil, errors.New("want --time of 1s or more, and --rounds, --connections and --threads of 1 or more")
	}
	return o, nil
}

func (o *options) wants(name string) bool { return len(o.rows) == 0 || slices.Contains(o.rows, name) }
