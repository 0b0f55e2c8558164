package main

import (
	"strings"
	"time"
)

const troublesShown = 10

// printVerdict prints the short of it.
func (t *test) printVerdict(faults []string) {
	o := &t.outcome
	word := "PASSED"
	if len(faults) > 0 {
		word = "FAILED"
	}
	t.printf("\n──── Verdict: %s ────────────────────────────────────────────\n", word)
	t.printf("  visitors          %d came; %d polls; %d passes; %d missed their turn\n", o.summary.count("visitors"), o.summary.count("polls"), o.summary.count("passes"), o.summary.count("missed_turns"))
	t.printf("  they              %s\n", o.summary.outcomes())
	t.printf("  units             %d allocated = %d available + %d held + %d sold\n", o.verify.Allocated, o.verify.Available, o.verify.Held, o.verify.Sold)
	t.printf("  orders            %d accepted; of them %d in the ledger exactly once, %d lost, %d duplicates; ledger holds %d\n",
		o.lookup.accepted, o.lookup.inLedger, len(o.lookup.missing), len(o.lookup.duplicated), o.verify.Orders)
	t.printf("  answers           %d sold out; %d limit exceeded; %d reservation expired; %d turned away for a moment (503, 429)\n",
		o.summary.count("sold_out_answers"), o.summary.count("limit_answers"), o.summary.count("expired_answers"), o.summary.count("turned_away"))
	t.printf("  against contract  %d unexpected statuses; %d broken promises; %d other 5xx\n",
		o.summary.count("unexpected_status"), o.summary.count("contract_broken"), o.summary.count("server_errors_5xx"))
	t.printLatencies()
	t.printOutage()
	t.printPostgres()
	t.printf("  verify            %s\n", t.checksLine())
	t.printf("  report            %s\n", t.files.html)
	t.printTroubles(faults)
}

func (t *test) printLatencies() {
	for _, call := range []string{"join", "poll", "claim", "reserve", "order"} {
		metric := call + "_latency"
		t.printf("  %-17s p50 %.1f ms, p99 %.1f ms, max %.1f ms\n", call,
			t.outcome.summary.figure(metric, "med"), t.outcome.summary.figure(metric, "p(99)"), t.outcome.summary.figure(metric, "max"))
	}
	t.printf("  time to called    p50 %.1f s, p99 %.1f s\n",
		t.outcome.summary.figure("time_to_called", "med")/1000, t.outcome.summary.figure("time_to_called", "p(99)")/1000)
}

func (t *test) printOutage() {
	o := t.outcome.outage
	if o == nil {
		return
	}
	t.printf("  kill -9           %s, with %d orders accepted; ready again after %d ms\n", o.whom, o.acceptedBefore, o.downMillis)
	t.printf("                    %d failures in the outage (expected); %d reservations lost; %d orders durable whose answer was lost\n",
		t.outcome.summary.count("outage_failures"), t.outcome.summary.count("lost_reservations"), t.outcome.lookup.unheard)
}

func (t *test) printPostgres() {
	p := t.outcome.postgres
	if p == nil {
		return
	}
	t.printf("  Postgres gone     from %.1f s to %.1f s; levels seen: %s\n", p.stopped.Seconds(), p.started.Seconds(), strings.Join(p.levels, " → "))
	for _, phase := range []string{"before", "without", "after"} {
		admitted, orders, length := p.during(phase)
		t.printf("                    %-8s %5.1f s: %4d admitted (%.1f/s), %4d orders accepted (%.1f/s), at most %d not in the ledger yet\n", phase,
			length.Seconds(), admitted, perSecond(admitted, length), orders, perSecond(int64(orders), length), p.mostUndrained(phase))
	}
}

func (p *postgresOutage) mostUndrained(phase string) (most int64) {
	for _, s := range p.samples {
		if s.phase == phase {
			most = max(most, s.undrained)
		}
	}
	return most
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

func (t *test) checksLine() string {
	var names []string
	for _, check := range t.outcome.verify.Checks {
		mark := "✓ "
		if !check.OK {
			mark = "✗ "
		}
		names = append(names, mark+check.Name)
	}
	return strings.Join(names, "  ")
}

func (t *test) printTroubles(faults []string) {
	for i, line := range t.outcome.lines.troubles {
		if i == troublesShown {
			t.printf("  … and %d more in %s\n", len(t.outcome.lines.troubles)-troublesShown, t.files.console)
			break
		}
		t.printf("  seen              %s\n", line)
	}
	for _, fault := range faults {
		t.printf("  ✗ %s\n", fault)
	}
}
