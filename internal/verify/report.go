package verify

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/penstock/penstock/internal/fairness"
)

// Report is what [Verifier.Verify] found. OK only if every check of every sale holds.
type Report struct {
	OK bool `json:"ok"`
	// Verdict is unknown when nothing is broken and something could not be measured.
	Verdict fairness.Verdict `json:"verdict"`
	Sales   []SaleReport     `json:"sales"`
}

// SaleReport is the verdict on one sale. The counts are units, summed over the items.
type SaleReport struct {
	Sale      string           `json:"sale"`
	Phase     string           `json:"phase"`
	OK        bool             `json:"ok"`
	Verdict   fairness.Verdict `json:"verdict"`
	Allocated int64            `json:"allocated"`
	Available int64            `json:"available"`
	Held      int64            `json:"held"`
	Sold      int64            `json:"sold"`
	// Orders counts the orders in the ledger.
	Orders int64 `json:"orders"`
	// Duplicates counts the orders beyond the first of a reservation.
	Duplicates int64 `json:"duplicates"`
	// Lost counts the units that were confirmed to buyers and are not in the ledger.
	Lost int64 `json:"lost"`
	// Undrained counts the orders that were accepted and had not reached the ledger when the wait was over.
	Undrained int64        `json:"undrained"`
	Items     []ItemReport `json:"items"`
	Checks    []Check      `json:"checks"`
}

// ItemReport is the balance of one item. Sold is the ledger's count, SoldRedis that of Redis.
type ItemReport struct {
	SKU       string `json:"sku"`
	Allocated int64  `json:"allocated"`
	Available int64  `json:"available"`
	Held      int64  `json:"held"`
	Sold      int64  `json:"sold"`
	SoldRedis int64  `json:"sold_redis"`
}

// Check is one invariant. Detail says what was compared, and when it does not hold, what was found.
type Check struct {
	Name    string           `json:"name"`
	OK      bool             `json:"ok"`
	Verdict fairness.Verdict `json:"verdict"`
	Detail  string           `json:"detail"`
}

func (s *SaleReport) check(name string, verdict fairness.Verdict, format string, args ...any) {
	s.Checks = append(s.Checks, Check{Name: name, OK: verdict == fairness.Holds, Verdict: verdict, Detail: fmt.Sprintf(format, args...)})
	s.Verdict = fairness.Worse(s.Verdict, verdict)
	s.OK = s.Verdict == fairness.Holds
}

func (r *Report) add(s SaleReport) {
	r.Sales = append(r.Sales, s)
	r.Verdict = fairness.Worse(r.Verdict, s.Verdict)
	r.OK = r.Verdict == fairness.Holds
}

// WriteText prints the report for a person.
func (r Report) WriteText(w io.Writer) error {
	for _, s := range r.Sales {
		if err := s.writeText(w); err != nil {
			return err
		}
	}
	verdict := "every invariant holds"
	switch {
	case len(r.Sales) == 0:
		verdict = "there is no sale to verify"
	case r.Verdict == fairness.Broken:
		verdict = "BROKEN: at least one invariant does not hold"
	case !r.OK:
		verdict = "NOT KNOWN: nothing is broken, and at least one invariant could not be measured"
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}

func (s SaleReport) writeText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s (%s)\n  orders %d  duplicates %d  lost %d  undrained %d\n",
		s.Sale, s.Phase, s.Orders, s.Duplicates, s.Lost, s.Undrained)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "  item\tallocated\tavailable\theld\tsold\t")
	for _, i := range s.Items {
		_, _ = fmt.Fprintf(table, "  %s\t%d\t%d\t%d\t%d\t\n", i.SKU, i.Allocated, i.Available, i.Held, i.Sold)
	}
	_, _ = fmt.Fprintf(table, "  all\t%d\t%d\t%d\t%d\t\n", s.Allocated, s.Available, s.Held, s.Sold)
	if err := table.Flush(); err != nil {
		return err
	}
	for _, c := range s.Checks {
		mark := map[fairness.Verdict]string{fairness.Holds: "ok    ", fairness.Broken: "BROKEN", fairness.Unknown: "?     "}[c.Verdict]
		if _, err := fmt.Fprintf(w, "  %s %s: %s\n", mark, c.Name, c.Detail); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(w)
	return err
}
