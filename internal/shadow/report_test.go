package shadow

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

func judged(t *testing.T, e evidence, now time.Time) Report {
	t.Helper()
	r, err := e.judge(sale.Record{Sale: sale.Sale{ID: "drop", Shadow: true}}, now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func runOf(t *testing.T, c counts, seen time.Time, ended bool) ledger.ShadowRun {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return ledger.ShadowRun{Sale: "drop", Run: "r", Counts: text, SeenMillis: seen.UnixMilli(), Ended: ended}
}

func says(r Report, part string) bool {
	return slices.ContainsFunc(r.Summary, func(s string) bool { return strings.Contains(s, part) })
}

var agreed = []ledger.ShadowCount{{Outcome: ledger.ShadowAccepted, N: 5}, {Outcome: ledger.ShadowAccepted, SKU: "A", N: 5}}

func TestAReportThatMissesCallsSaysSo(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		run  ledger.ShadowRun
		want string
	}{
		"calls that were not seen":           {runOf(t, counts{NotSeen: map[Unseen]int64{UnseenOverflow: 3}}, now, true), "3 calls were not seen"},
		"a process that was killed":          {runOf(t, counts{}, now.Add(-time.Minute), false), "1 process ended without saying"},
		"calls that are still being decided": {runOf(t, counts{Pending: 2}, now, false), "2 calls are still being decided"},
		"a killed process, whatever it knew": {runOf(t, counts{Pending: 2}, now.Add(-time.Hour), false), "1 process ended"},
	} {
		r := judged(t, evidence{sums: agreed, runs: []ledger.ShadowRun{c.run}}, now)
		if r.Complete || r.OK() || !says(r, c.want) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	fine := judged(t, evidence{sums: agreed, runs: []ledger.ShadowRun{runOf(t, counts{}, now.Add(-time.Hour), true), runOf(t, counts{}, now, false)}}, now)
	if !fine.OK() || !says(fine, "agree about all of the 5 calls") {
		t.Errorf("%+v", fine)
	}
	if none := judged(t, evidence{}, now); none.OK() || !says(none, "No call") {
		t.Errorf("%+v", none)
	}
}

func TestAReportAddsUpWhatDiffers(t *testing.T) {
	r := judged(t, evidence{
		items: []ledger.ItemCount{{SKU: "A", Allocated: 12, Sold: 12}}, // 10, and 2 that came back
		sums: []ledger.ShadowCount{
			{Outcome: ledger.ShadowAccepted, N: 6}, {Outcome: ledger.ShadowAccepted, SKU: "A", N: 12},
			{Outcome: ledger.ShadowAccepted, Code: problem.SoldOut, N: 2}, {Outcome: ledger.ShadowAccepted, Code: problem.SoldOut, SKU: "A", N: 3},
			{Outcome: ledger.ShadowAccepted, Code: problem.LimitExceeded, N: 1}, {Outcome: ledger.ShadowAccepted, Code: problem.LimitExceeded, SKU: "A", N: 1},
			{Outcome: ledger.ShadowRefused, N: 4}, {Outcome: ledger.ShadowRefused, SKU: "A", N: 4},
			{Outcome: ledger.ShadowRefused, Code: ledger.ShadowUnclear, N: 1}, {Outcome: ledger.ShadowRefused, Code: problem.SoldOut, N: 7},
			{Outcome: ledger.ShadowCancelled, N: 1}, {Outcome: ledger.ShadowCancelled, SKU: "A", N: 2},
		},
	}, time.Now())
	if want := (Calls{Seen: 21, BothSold: 6, BothRefused: 7, ShopSold: 3, PenstockSold: 4, Unclear: 1, Cancelled: 1}); r.Calls != want {
		t.Errorf("%+v", r.Calls)
	}
	if want := (Item{SKU: "A", Allocated: 12, ShopSold: 16, PenstockSold: 12, Cancelled: 2, Oversold: 3, Owed: 4}); r.Items[0] != want {
		t.Errorf("%+v", r.Items[0])
	}
	if len(r.Differences) != 3 || !says(r, "oversold A by 3 units") || !says(r, "more than one customer may have): 1 call") {
		t.Errorf("%+v %q", r.Differences, r.Summary)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "only the shop sold 3") {
		t.Errorf("%v %s", err, text.String())
	}
}

func TestMoreCallsThanCanBeDecidedAreCountedAndDoNotWait(t *testing.T) {
	s, err := New(Deps{})
	if err != nil {
		t.Fatal(err)
	}
	for range maxWaiting + 7 { // nobody decides
		s.Mirror(Call{Sale: "drop", Outcome: ledger.ShadowAccepted})
	}
	one := s.tally.bySale["drop"]
	if one.NotSeen[UnseenOverflow] != 7 || one.Pending != maxWaiting {
		t.Errorf("%+v", one.counts)
	}
	s.dropRest()
	if one.NotSeen[UnseenStopped] != maxWaiting || one.Pending != 0 {
		t.Errorf("%+v", one.counts)
	}
}

func TestARunSaysThatItIsThereBeforeItKnowsAnything(t *testing.T) {
	tally, now, live := newTally(), time.Now(), map[string]bool{"drop": true}
	tally.notice("drop")
	steps := []struct {
		after time.Duration
		do    func()
		last  bool
		want  string // "" nothing is written
	}{
		{0, func() {}, false, "open"},
		{time.Second, func() {}, false, ""},
		{beatEvery, func() {}, false, "open"},
		{beatEvery + time.Second, func() { tally.gate("drop", "admit") }, false, "open"},
		{beatEvery + 2*time.Second, func() { delete(live, "drop") }, false, "ended"},
		{time.Minute, func() {}, false, ""},
		{time.Minute, func() { tally.gate("drop", "admit") }, false, "open"},
		{time.Minute, func() {}, true, "ended"},
	}
	for i, step := range steps {
		step.do()
		got := ""
		for _, run := range tally.due(live, step.last, now.Add(step.after)) {
			got = map[bool]string{true: "ended", false: "open"}[run.Ended]
		}
		if got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
}

func TestAReferenceIsOneThatEveryStoreKeeps(t *testing.T) {
	for text, want := range map[string]string{
		"order-1": "order-1", "a\x00b\nc": "abc", "ü\xff": "ü", strings.Repeat("ü", 100): strings.Repeat("ü", MaxReference/2),
	} {
		if got := CleanReference(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
