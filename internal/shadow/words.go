package shadow

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// words says what the report found, the most important first.
func (r *Report) words() []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if r.NotSeen.Calls > 0 {
		say("The report is incomplete: %s not seen. What they were is not known.", number(r.NotSeen.Calls, "call was", "calls were"))
	}
	if r.NotSeen.LostRuns > 0 {
		say("The report is incomplete: %s without saying which calls were not decided yet.",
			number(r.NotSeen.LostRuns, "process ended", "processes ended"))
	}
	if r.Calls.Pending > 0 {
		say("%s still being decided.", number(r.Calls.Pending, "call is", "calls are"))
	}
	for _, i := range r.Items {
		if i.Oversold > 0 {
			say("The shop oversold %s by %s: it sold %d, and %d were allocated.", i.SKU, number(i.Oversold, "unit", "units"), i.ShopSold, i.Allocated)
		}
	}
	for _, d := range r.Differences {
		say("%s: %s.", d.words(), number(d.Calls, "call", "calls"))
	}
	if r.Calls.Unclear > 0 {
		say("The shop refused while units were free for a moment: %s. Whether it had promised them to somebody else is not known.",
			number(r.Calls.Unclear, "call", "calls"))
	}
	switch {
	case r.Calls.Seen == 0:
		say("No call of the shop was seen.")
	case r.Agreed:
		say("The shop and Penstock agree about all of the %s that were seen.", number(r.Calls.Seen, "call", "calls"))
	}
	return all
}

func (d Difference) words() string {
	if d.Kind == PenstockSoldOnly {
		return "The shop refused, and Penstock would have sold"
	}
	return "The shop sold, and Penstock would have refused (" + reasonInWords(d.Code) + ")"
}

func reasonInWords(code problem.Code) string {
	switch code {
	case problem.SoldOut:
		return "nothing was left"
	case problem.LimitExceeded:
		return "more than one customer may have"
	case problem.SaleNotOpen:
		return "the sale was not open"
	case problem.SalePaused:
		return "the sale was paused"
	case problem.InvalidQuantity:
		return "too many units at once"
	default:
		return string(code)
	}
}

func number(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// OK reports that nothing speaks against the shop's stock logic, and that nothing is unknown.
func (r Report) OK() bool { return r.Complete && r.Agreed && r.Calls.Seen > 0 }

// WriteText prints the report for a person.
func (r Report) WriteText(w io.Writer) error {
	fmt.Fprintf(w, "%s (shadow)\n", r.Sale)
	for _, sentence := range r.Summary {
		fmt.Fprintf(w, "  %s\n", sentence)
	}
	c := r.Calls
	fmt.Fprintf(w, "\n  calls seen %d: both sold %d, both refused %d, only the shop sold %d, only Penstock would have sold %d, unclear %d\n",
		c.Seen, c.BothSold, c.BothRefused, c.ShopSold, c.PenstockSold, c.Unclear)
	fmt.Fprintf(w, "  cancelled %d, about other items %d, not seen %d\n", c.Cancelled, c.Others, r.NotSeen.Calls)
	for _, why := range r.NotSeen.reasonsInOrder() {
		fmt.Fprintf(w, "    not seen (%s): %d\n", why, r.NotSeen.Reasons[why])
	}
	fmt.Fprintf(w, "  at the gate %d: %d would have been admitted\n", r.Gate.Requests, r.Gate.Admitted)
	for _, reason := range slices.Sorted(maps.Keys(r.Gate.Waiting)) {
		fmt.Fprintf(w, "    would have waited (%s): %d\n", reason, r.Gate.Waiting[reason])
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "  item\tallocated\tshop sold\tPenstock would have\tcancelled\toversold\towed\t")
	for _, i := range r.Items {
		fmt.Fprintf(table, "  %s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", i.SKU, i.Allocated, i.ShopSold, i.PenstockSold, i.Cancelled, i.Oversold, i.Owed)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(r.Examples) > 0 {
		fmt.Fprintln(w, "\n  the first differences:")
	}
	for _, one := range r.Examples {
		fmt.Fprintf(w, "  %s  %s  %s  %s  %s\n", one.At.Format(time.RFC3339Nano), one.Kind, dash(string(one.Code)), dash(one.Reference), one.UnitsText())
	}
	_, err := fmt.Fprintln(w)
	return err
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// UnitsText is the units as SKU=units, in the order of the names.
func (e Example) UnitsText() string {
	parts := make([]string, 0, len(e.Units))
	for _, sku := range slices.Sorted(maps.Keys(e.Units)) {
		parts = append(parts, fmt.Sprintf("%s=%d", sku, e.Units[sku]))
	}
	return strings.Join(parts, " ")
}
