package shadow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// Report tells where a shop's own stock logic differs from Penstock's.
type Report struct {
	Sale string `json:"sale"`
	// Complete says that every call of the shop that is known of was decided. Otherwise the figures below are the
	// least that is so.
	Complete bool `json:"complete"`
	// Agreed says that the two never differed.
	Agreed bool `json:"agreed"`
	// Summary says in sentences what follows in figures.
	Summary []string `json:"summary"`
	Calls   Calls    `json:"calls"`
	Items   []Item   `json:"items"`
	// Differences are the calls about which the two differ, added up by what would have happened.
	Differences []Difference `json:"differences"`
	NotSeen     NotSeen      `json:"not_seen"`
	Gate        Gate         `json:"gate"`
	// Examples are the first calls about which the two differ.
	Examples []Example `json:"examples"`
}

// Calls counts the calls of the shop.
type Calls struct {
	Seen int64 `json:"seen"`
	// BothSold and BothRefused are those about which the two agree.
	BothSold    int64 `json:"both_sold"`
	BothRefused int64 `json:"both_refused"`
	// ShopSold: the shop sold and Penstock would have refused. PenstockSold: the other way round.
	ShopSold     int64 `json:"shop_sold_only"`
	PenstockSold int64 `json:"penstock_sold_only"`
	// Unclear are refused calls for which units were free at first, and not a moment later.
	Unclear   int64 `json:"unclear"`
	Cancelled int64 `json:"cancelled"`
	// Pending calls are being decided.
	Pending int64 `json:"pending"`
	// Others are about items that the sale does not have. They are not part of Seen.
	Others int64 `json:"others"`
}

// Item is what became of the units of one item.
type Item struct {
	SKU string `json:"sku"`
	// Allocated are the units of the sale, those that came back from cancelled calls counted again.
	Allocated int64 `json:"allocated"`
	// ShopSold are the units of the calls that the shop accepted, and PenstockSold those that Penstock would have
	// sold of them.
	ShopSold     int64 `json:"shop_sold"`
	PenstockSold int64 `json:"penstock_sold"`
	Cancelled    int64 `json:"cancelled"`
	// Oversold are the units of accepted calls for which there was not enough left.
	Oversold int64 `json:"oversold"`
	// Owed are the units that the shop has sold, did not take back, and does not have.
	Owed int64 `json:"owed"`
}

// The kinds of differences.
const (
	ShopSoldOnly     = "shop_sold_only"
	PenstockSoldOnly = "penstock_sold_only"
)

// Difference is one way in which the two differ.
type Difference struct {
	Kind string `json:"kind"`
	// Code is why Penstock would have refused; empty when it would have sold.
	Code  problem.Code `json:"code,omitempty"`
	Calls int64        `json:"calls"`
	Units int64        `json:"units"`
}

// NotSeen counts the calls that were not decided.
type NotSeen struct {
	Calls   int64            `json:"calls"`
	Reasons map[Unseen]int64 `json:"reasons"`
	// LostRuns are processes that ended without saying what they had not decided yet.
	LostRuns int64 `json:"lost_runs"`
}

// Gate counts the requests for what the sale protects.
type Gate struct {
	Requests int64 `json:"requests"`
	Admitted int64 `json:"admitted"`
	// Waiting are those that would not have passed, by the code that says why.
	Waiting map[string]int64 `json:"waiting"`
}

// Example is one call about which the two differ.
type Example struct {
	Kind      string           `json:"kind"`
	Code      problem.Code     `json:"code,omitempty"`
	At        time.Time        `json:"at"`
	Reference string           `json:"reference"`
	Units     map[string]int64 `json:"units"`
}

// The number of examples in a report.
const (
	DefaultExamples = 100
	MaxExamples     = 1000
)

// ReadReport makes the report of a sale. Codes: unknown_sale, not_in_shadow, unavailable.
func ReadReport(ctx context.Context, from *ledger.Ledger, saleID string, examples int, now time.Time) (Report, error) {
	rec, err := from.Sale(ctx, saleID)
	if err != nil {
		return Report{}, err
	}
	if !rec.Shadow {
		return Report{}, problem.With(problem.NotInShadow, "there is a report of sales with shadow: true alone")
	}
	var e evidence
	if e.items, err = from.Items(ctx, saleID); err != nil {
		return Report{}, err
	}
	// The runs first: a call that is decided meanwhile is then in neither, or in both, of pending and seen.
	if e.runs, err = from.ShadowRuns(ctx, saleID); err != nil {
		return Report{}, err
	}
	if e.sums, err = from.ShadowCounts(ctx, saleID); err != nil {
		return Report{}, err
	}
	if e.differing, err = from.ShadowDifferences(ctx, saleID, examples); err != nil {
		return Report{}, err
	}
	return e.judge(rec, now)
}

// evidence is what the ledger says about a sale in shadow mode.
type evidence struct {
	items     []ledger.ItemCount
	runs      []ledger.ShadowRun
	sums      []ledger.ShadowCount
	differing []ledger.ShadowCall
}

// judge is pure: it makes the report.
func (e *evidence) judge(rec sale.Record, now time.Time) (Report, error) {
	r := Report{
		Sale: rec.ID, Items: []Item{}, Differences: []Difference{}, Examples: []Example{},
		NotSeen: NotSeen{Reasons: map[Unseen]int64{}}, Gate: Gate{Waiting: map[string]int64{}},
	}
	e.addCalls(&r)
	e.addItems(&r)
	if err := e.addRuns(&r, now); err != nil {
		return Report{}, err
	}
	for i := range e.differing {
		c := &e.differing[i]
		r.Examples = append(r.Examples, Example{
			Kind: kindOf(c.Outcome), Code: c.Code, At: time.UnixMilli(c.AtMillis).UTC(), Reference: c.Reference, Units: c.Units,
		})
	}
	r.Complete = r.NotSeen.Calls == 0 && r.NotSeen.LostRuns == 0 && r.Calls.Pending == 0
	r.Agreed = r.Calls.ShopSold == 0 && r.Calls.PenstockSold == 0
	r.Summary = r.words()
	return r, nil
}

func kindOf(outcome ledger.ShadowOutcome) string {
	if outcome == ledger.ShadowAccepted {
		return ShopSoldOnly
	}
	return PenstockSoldOnly
}

func (e *evidence) addCalls(r *Report) {
	for _, sum := range e.sums {
		if sum.SKU != "" {
			continue
		}
		switch c := &r.Calls; {
		case sum.Outcome == ledger.ShadowCancelled:
			c.Cancelled += sum.N
			continue
		case sum.Code == ledger.ShadowUnclear:
			c.Unclear += sum.N
		case sum.Outcome == ledger.ShadowAccepted && sum.Code == "":
			c.BothSold += sum.N
		case sum.Outcome == ledger.ShadowAccepted:
			c.ShopSold += sum.N
			e.addDifference(r, sum)
		case sum.Code == "":
			c.PenstockSold += sum.N
			e.addDifference(r, sum)
		default:
			c.BothRefused += sum.N
		}
		r.Calls.Seen += sum.N
	}
}

func (e *evidence) addDifference(r *Report, calls ledger.ShadowCount) {
	d := Difference{Kind: kindOf(calls.Outcome), Code: calls.Code, Calls: calls.N}
	for _, sum := range e.sums {
		if sum.SKU != "" && sum.Outcome == calls.Outcome && sum.Code == calls.Code {
			d.Units += sum.N
		}
	}
	r.Differences = append(r.Differences, d)
}

func (e *evidence) addItems(r *Report) {
	for _, item := range e.items {
		i := Item{SKU: item.SKU, Allocated: item.Allocated}
		var cameBack int64
		for _, sum := range e.sums {
			if sum.SKU != item.SKU {
				continue
			}
			switch sum.Outcome {
			case ledger.ShadowCancelled:
				i.Cancelled += sum.N
				if sum.Code == "" {
					cameBack += sum.N
				}
			case ledger.ShadowRefused:
			case ledger.ShadowAccepted:
				i.ShopSold += sum.N
				if sum.Code == "" {
					i.PenstockSold += sum.N
				}
				if sum.Code == problem.SoldOut {
					i.Oversold += sum.N
				}
			}
		}
		i.Owed = max(0, i.ShopSold-i.Cancelled-(i.Allocated-cameBack))
		r.Items = append(r.Items, i)
	}
}

func (e *evidence) addRuns(r *Report, now time.Time) error {
	for _, run := range e.runs {
		var c counts
		if err := json.Unmarshal(run.Counts, &c); err != nil {
			return fmt.Errorf("the counts of a run in shadow mode cannot be read: %w", err)
		}
		for why, n := range c.NotSeen {
			r.NotSeen.Reasons[why] += n
			r.NotSeen.Calls += n
		}
		for verdict, n := range c.Gate {
			r.Gate.add(verdict, n)
		}
		r.Calls.Others += c.Others
		switch {
		case run.Ended:
		case now.Sub(time.UnixMilli(run.SeenMillis)) > SilentAfter:
			r.NotSeen.LostRuns++
		default:
			r.Calls.Pending += c.Pending
		}
	}
	return nil
}

func (g *Gate) add(verdict string, n int64) {
	g.Requests += n
	if _, reason, waits := strings.Cut(verdict, "reason="); waits {
		g.Waiting[reason] += n
		return
	}
	g.Admitted += n
}

// reasonsInOrder are the reasons that occur, the most frequent first.
func (n *NotSeen) reasonsInOrder() []Unseen {
	return slices.SortedFunc(maps.Keys(n.Reasons), func(a, b Unseen) int {
		if n.Reasons[a] != n.Reasons[b] {
			return int(n.Reasons[b] - n.Reasons[a])
		}
		return strings.Compare(string(a), string(b))
	})
}
