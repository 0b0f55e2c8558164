package main

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/verify"
)

func twoResults() []result {
	alone := result{
		name: unprotected, load: "0.40", books: books{Orders: 103, Units: 103, Stocked: 100},
		tally: tally{
			arrived: 2000, visits: map[ending]int{bought: 90, soldOut: 10, timedOut: 1880, serverError: 20},
			failures: map[ending]int{timedOut: 1880, serverError: 20, soldOut: 10},
			shop:     latencies{time.Second, 30 * time.Second}, lastSale: 61 * time.Second,
		},
	}
	behind := result{
		name: protected, load: "0.50", books: books{Orders: 100, Units: 100, Stocked: 100},
		tally: tally{
			arrived: 2000, visits: map[ending]int{bought: 100, soldOut: 1900}, failures: map[ending]int{},
			shop: latencies{100 * time.Millisecond, 200 * time.Millisecond}, room: latencies{time.Millisecond}, lastSale: 70 * time.Second,
		},
		verify: &verify.SaleReport{OK: true, Sold: 100, Orders: 100},
	}
	return []result{alone, behind}
}

func TestTheTableShowsBothSideBySide(t *testing.T) {
	text := table(options{units: 100}, twoResults())
	for _, line := range []string{
		"| | unprotected | protected |",
		"|---|--:|--:|",
		"| orders in the shop | 103 | 100 |",
		"| units sold | 103 of 100 | 100 of 100 |",
		"| oversold | 3 | 0 |",
		"| visitors who have the shop's yes | 90 | 100 |",
		"| visitors told that it is sold out | 10 | 1900 |",
		"| visitors who left because of an error | 1900 | 0 |",
		"| last unit sold after | 61.0 s | 70.0 s |",
		"| their p50 | 1.00 s | 0.10 s |",
		"| their p99 | 30.0 s | 0.20 s |",
		"| answered 5xx | 20 | 0 |",
		"| not answered in time | 1880 | 0 |",
		"| requests to the waiting room | – | 1, p99 0.00 s, 0 failed |",
		"| `penstock verify` | – | passed: 100 sold, 100 orders, 0 held, 0 lost, 0 twice |",
		"| load of the machine before | 0.40 | 0.50 |",
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("the table does not have %q:\n%s", line, text)
		}
	}
}

func TestOnlyTheProtectedTrialCanFail(t *testing.T) {
	o := options{units: 100}
	if err := faults(o, twoResults()); err != nil {
		t.Errorf("nothing is wrong, but: %v", err)
	}
	for name, c := range map[string]struct {
		spoil func(*result)
		says  string
	}{
		"too few":          {func(r *result) { r.books.Units, r.verify.Sold = 99, 99 }, "sold 99 units"},
		"too many":         {func(r *result) { r.books.Units = 101 }, "sold 101 units"},
		"books differ":     {func(r *result) { r.verify.Sold = 98 }, "Penstock knows of 98"},
		"verify fails":     {func(r *result) { r.verify.OK = false }, "penstock verify failed"},
		"the shop is slow": {func(r *result) { r.tally.shop = latencies{time.Second} }, "p99"},
	} {
		results := twoResults()
		c.spoil(&results[1])
		if err := faults(o, results); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPercentileIsTheNearestRank(t *testing.T) {
	var l latencies
	if got := l.percentile(99); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
	for i := 1; i <= 200; i++ {
		l = append(l, time.Duration(i))
	}
	for p, want := range map[float64]time.Duration{0: 1, 50: 100, 99: 198, 99.5: 199, 100: 200} {
		if got := l.percentile(p); got != want {
			t.Errorf("p%v: %d, want %d", p, got, want)
		}
	}
}

func TestTheAnswerOfAScriptIsFoundAmongItsLog(t *testing.T) {
	for text, want := range map[string]string{
		"{\"level\":\"info\"}\nANSWER {\"a\":1}\n{\"level\":\"info\"}\n": `{"a":1}`,
		"ANSWER 1\nANSWER 2": "2",
		"nothing":            "",
	} {
		if got := string(lastAnswer([]byte(text))); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for args, says := range map[string]string{
		"--visitors 0": "at least 1", "--arrival 0s": "more than 0s", "--only twice": "want unprotected or protected", "now": "unknown argument",
	} {
		var told strings.Builder
		if _, err := parseOptions(strings.Fields(args), &told); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", args, err)
		}
	}
	o, err := parseOptions(nil, &strings.Builder{})
	if err != nil || o.visitors != 2000 || o.units != 100 {
		t.Errorf("%+v %v", o, err)
	}
}
