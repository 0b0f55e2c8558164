package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// row is one line of the table: what it tells of each trial.
type row struct {
	name string
	of   func(o options, r *result) string
}

// rows are what is shown, in this order.
func rows() []row {
	number := func(of func(r *result) int64) func(options, *result) string {
		return func(_ options, r *result) string { return strconv.FormatInt(of(r), 10) }
	}
	visits := func(how ending) func(options, *result) string {
		return number(func(r *result) int64 { return int64(r.tally.visits[how]) })
	}
	failures := func(how ending) func(options, *result) string {
		return number(func(r *result) int64 { return int64(r.tally.failures[how]) })
	}
	return []row{
		{"visitors", number(func(r *result) int64 { return int64(r.tally.arrived) })},
		{"orders in the shop", number(func(r *result) int64 { return r.books.Orders })},
		{"units sold", func(o options, r *result) string { return fmt.Sprintf("%d of %d", r.books.Units, o.units) }},
		{"oversold", number(func(r *result) int64 { return oversold(r.books) })},
		{"visitors who have the shop's yes", visits(bought)},
		{"visitors told that it is sold out", visits(soldOut)},
		{"visitors who left because of an error", number(func(r *result) int64 { return int64(r.tally.troubled()) })},
		{"last unit sold after", func(_ options, r *result) string {
			if r.tally.lastSale == 0 {
				return "–"
			}
			return seconds(r.tally.lastSale)
		}},
		{"requests to the shop", number(func(r *result) int64 { return int64(len(r.tally.shop)) })},
		{"their p50", func(_ options, r *result) string { return seconds(r.tally.shop.percentile(50)) }},
		{"their p99", func(_ options, r *result) string { return seconds(r.tally.shop.percentile(99)) }},
		{"answered 5xx", failures(serverError)},
		{"not answered in time", failures(timedOut)},
		{"connections broken", failures(brokenOff)},
		{"refused otherwise (4xx)", failures(refused)},
		{"requests to the waiting room", func(_ options, r *result) string {
			if len(r.tally.room) == 0 {
				return "–"
			}
			return fmt.Sprintf("%d, p99 %s, %d failed", len(r.tally.room), seconds(r.tally.room.percentile(99)), r.tally.roomBad)
		}},
		{"`penstock verify`", func(_ options, r *result) string { return r.verdict() }},
		{"load of the machine before", func(_ options, r *result) string { return r.load }},
	}
}

// table shows the trials side by side, in Markdown.
func table(o options, results []result) string {
	var b strings.Builder
	b.WriteString("| |")
	for i := range results {
		b.WriteString(" " + results[i].name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(results)) + "\n")
	for _, one := range rows() {
		b.WriteString("| " + one.name + " |")
		for i := range results {
			b.WriteString(" " + one.of(o, &results[i]) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// oversold is how many units the shop sold that it does not have.
func oversold(b books) int64 { return max(0, b.Units-b.Stocked) }

// troubled counts those who neither bought nor were told that it is sold out.
func (t *tally) troubled() (n int) {
	for how, visitors := range t.visits {
		if how != bought && how != soldOut {
			n += visitors
		}
	}
	return n
}

func (r *result) verdict() string {
	if r.verify == nil {
		return "–"
	}
	word := "passed"
	if !r.verify.OK {
		word = "FAILED"
	}
	return fmt.Sprintf("%s: %d sold, %d orders, %d held, %d lost, %d twice", word, r.verify.Sold, r.verify.Orders, r.verify.Held, r.verify.Lost, r.verify.Duplicates)
}

func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

const p99Limit = time.Second

// faults are what must not be with Penstock in front. Of the shop alone nothing is demanded.
func faults(o options, results []result) error {
	var found []error
	for i := range results {
		r := &results[i]
		if r.verify == nil {
			continue
		}
		fail := func(when bool, format string, args ...any) {
			if when {
				found = append(found, fmt.Errorf(format, args...))
			}
		}
		fail(r.books.Units != o.units, "with Penstock in front the shop sold %d units, want exactly %d", r.books.Units, o.units)
		fail(r.verify.Sold != r.books.Units, "Penstock knows of %d units sold, the shop of %d", r.verify.Sold, r.books.Units)
		fail(!r.verify.OK, "penstock verify failed")
		fail(r.tally.shop.percentile(99) >= p99Limit, "the p99 of the shop's requests is %s, want less than %s", seconds(r.tally.shop.percentile(99)), p99Limit)
	}
	return errors.Join(found...)
}
