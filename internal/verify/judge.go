package verify

import (
	"strings"

	"github.com/penstock/penstock/internal/fairness"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

// judge is pure: it compares what the stores said.
func (e *evidence) judge(phase sale.Phase) SaleReport {
	s := SaleReport{
		Sale: e.rec.ID, Phase: string(phase), OK: true, Verdict: fairness.Holds,
		Orders: e.orders.Orders, Duplicates: e.orders.Duplicates, Undrained: e.log.undrained,
	}
	e.addItems(&s)
	e.judgeLedger(&s)
	switch {
	case e.stock.Ready:
		e.judgeRedis(&s)
		e.judgeAllocations(&s)
		e.judgeOrders(&s)
		e.judgeRoom(&s)
	case phase.Begun():
		s.check("stock_in_redis", fairness.Broken, "the sale has begun and redis does not hold its stock")
	default:
		s.check("stock_in_redis", fairness.Holds, "not armed: the sale has not begun, or is over and cleared away")
	}
	// Units of orders that were accepted and refused by the ledger are lost to their buyers, also
	// where Redis no longer counts them as sold.
	s.Lost = max(s.Lost, e.dead.units)
	return s
}

// armed are the items of Redis by SKU.
func (e *evidence) armed() map[string]reservation.ItemAudit {
	items := make(map[string]reservation.ItemAudit, len(e.stock.Items))
	for _, item := range e.stock.Items {
		items[item.SKU] = item
	}
	return items
}

// addItems adds the units of the moment at which Redis was read. Those that the ledger sold later are left out, so
// that the units of a busy sale add up.
func (e *evidence) addItems(s *SaleReport) {
	armed := e.armed()
	for _, item := range e.after.Items {
		row := ItemReport{SKU: item.SKU, Allocated: item.Allocated, Sold: item.Sold, Available: item.Allocated - item.Sold, SoldRedis: item.Sold}
		if in, ok := armed[item.SKU]; ok {
			row.Available, row.Held, row.SoldRedis = in.Available, in.Held, in.Sold
			if !e.clockWentBack() {
				row.Sold = item.SoldUpTo
			}
		}
		s.Items = append(s.Items, row)
		s.Allocated += row.Allocated
		s.Available += row.Available
		s.Held += row.Held
		s.Sold += row.Sold
	}
}

func (e *evidence) judgeLedger(s *SaleReport) {
	var over, sold, allocated, lineUnits, counted int64
	for _, item := range e.after.Items {
		over += max(0, item.Sold-item.Allocated)
		sold, allocated = sold+item.Sold, allocated+item.Allocated
	}
	apart := false
	for sku, units := range e.orders.Counted {
		lineUnits, counted = lineUnits+e.orders.Units[sku], counted+units
		apart = apart || e.orders.Units[sku] != units
	}
	s.check("never_oversold", holdsIf(over == 0), "sold %d of %d allocated in the ledger", sold, allocated)
	s.check("orders_add_up", holdsIf(!apart), "the ledger's orders hold %d units, its counters %d", lineUnits, counted)
	s.check("one_order_a_reservation", holdsIf(e.orders.Duplicates == 0), "%d orders, %d of them duplicates", e.orders.Orders, e.orders.Duplicates)
	s.check("no_dead_letters", holdsIf(e.dead.orders == 0), "%d orders were refused by the ledger and wait for a person", e.dead.orders)
}

// judgeRedis judges what Redis says by itself.
func (e *evidence) judgeRedis(s *SaleReport) {
	var unbalanced []string
	var heldApart, overLimit int64
	holds := fairness.Holds
	for _, item := range e.stock.Items {
		if !item.Adds() {
			unbalanced = append(unbalanced, item.SKU)
		}
		if !item.HoldsAdd() {
			holds = fairness.Broken
		}
		heldApart += abs(item.Held - item.HeldByReservations)
		overLimit += item.OverLimit
	}
	s.check("balance", holdsIf(len(unbalanced) == 0), "allocated = available + held + sold + withheld for each item%s", suffix("; not for ", strings.Join(unbalanced, " ")))
	if e.stock.Stable {
		s.check("holds_add_up", holds, "held units and live reservations differ by %d", heldApart)
	} else {
		s.check("holds_add_up", fairness.Unknown, "too many reservations to be counted at one moment, and they changed meanwhile")
	}
	s.check("limits_kept", holdsIf(overLimit+e.stock.OverSaleLimit == 0),
		"%d customers hold and have bought more of an item than its limit, %d more of all items than the limit of the sale", overLimit, e.stock.OverSaleLimit)
}

// judgeAllocations compares the allocations. More units are the ledger's first, fewer are Redis' first, as long as the
// decrease is noted; and Redis takes up a new version of the sale a moment later.
func (e *evidence) judgeAllocations(s *SaleReport) {
	var apart int64
	for _, units := range e.allocationDrift() {
		apart += abs(units)
	}
	const name = "same_stock_everywhere"
	if apart != 0 && e.allocationsMove() {
		s.check(name, fairness.Unknown, "allocations of redis and ledger differ by %d while a change is under way", apart)
		return
	}
	s.check(name, holdsIf(apart == 0), "allocations of redis and ledger differ by %d", apart)
}

// allocationDrift tells by how many units Redis has more of an item allocated than the ledger.
func (e *evidence) allocationDrift() map[string]int64 {
	drift, books := make(map[string]int64, len(e.stock.Items)), e.after.ByItem()
	for _, item := range e.stock.Items {
		in := books[item.SKU]
		if in.Pending == nil || item.Allocated != *in.Pending {
			drift[item.SKU] = item.Allocated - in.Allocated
		}
	}
	return drift
}

// allocationsMove reports whether a change was under way: each step of one raises the version, in the ledger first.
func (e *evidence) allocationsMove() bool {
	return e.stock.Version < e.after.Version || e.before.Version != e.after.Version
}

// judgeOrders compares what Redis and the ledger have sold. It is exact while orders are coming in.
//
// Redis counts an order as sold in the script that stamps it with the time, which is created_ms in the ledger. Scripts
// run one after the other, so an order that was confirmed before Redis was read at T has created_ms ≤ T, and one
// that was confirmed afterwards has created_ms ≥ T. Let U(<T) and U(≤T) be the ledger's sold units of orders with
// such a time, as the second reading finds them, and R what Redis counted at T. Then:
//
//   - U(<T) ≤ R at any time: an order with created_ms < T was confirmed before, and Redis counts it from then on.
//   - R ≤ U(≤T) once all of them have arrived: an order of R was in the outbox at T, or its record was in the log
//     before. So when those of the outbox have left it, all are in the log, and when the drain has passed what was
//     the log's end after that, all are in the ledger or were refused for good.
//
// Neither is so, and nothing is said, if the clock of Redis went back (the ledger had an order of after T before T), if
// orders failed or were driven again meanwhile, or if Redis was rebuilt or put right by the ledger's word. What these
// do between the readings of one look, they hardly do again in the next: only what two looks find is broken.
func (e *evidence) judgeOrders(s *SaleReport) {
	if e.log.drained {
		s.check("log_drained", fairness.Holds, "every order that was accepted by the time of the look has reached the ledger")
	} else {
		s.check("log_drained", fairness.Unknown, "%d accepted orders are on their way to the ledger%s", s.Undrained, suffix("; ", errorText(e.log.err)))
	}
	lost, forgotten := e.soldApart()
	const name = "every_order_in_the_ledger"
	switch {
	case e.clockWentBack():
		s.check(name, fairness.Unknown, "the clock of redis is behind the ledger's newest order")
	case !e.comparable():
		s.check(name, fairness.Unknown, "orders failed, were driven again or were put right in redis during the look")
	case forgotten > 0:
		s.check(name, fairness.Broken, "%d sold units of the ledger are not sold in redis", forgotten)
	case !e.log.drained:
		s.check(name, fairness.Unknown, "not measured: orders are on their way")
	default:
		s.Lost = lost
		s.check(name, holdsIf(lost == 0), "%d units sold in redis are not in the ledger", lost)
	}
}

// comparable reports whether the two readings of the ledger may be compared with that of Redis between them.
func (e *evidence) comparable() bool {
	return !e.clockWentBack() && e.untouched && e.before.Failed == e.after.Failed
}

func (e *evidence) clockWentBack() bool { return e.before.NewestMillis > e.stock.AtMillis }

// soldApart adds up the units that only Redis counts as sold, and those that only the ledger does.
func (e *evidence) soldApart() (lost, forgotten int64) {
	for _, drift := range e.soldDrift() {
		lost += max(0, drift)
		forgotten += max(0, -drift)
	}
	return lost, forgotten
}

// soldDrift tells by how many units Redis has sold more of an item than the ledger; below zero: fewer.
func (e *evidence) soldDrift() map[string]int64 {
	drift := make(map[string]int64, len(e.stock.Items))
	books, armed := e.after.ByItem(), e.armed()
	for sku, item := range armed {
		drift[sku] = max(0, item.Sold-books[sku].SoldUpTo) + min(0, item.Sold-books[sku].SoldBefore)
	}
	for sku, item := range books {
		if _, there := armed[sku]; !there {
			drift[sku] = -item.SoldBefore
		}
	}
	return drift
}

func (e *evidence) judgeRoom(s *SaleReport) {
	if e.rec.Admission.Mode != sale.Queue {
		return
	}
	s.check("passes_within_cap", holdsIf(e.room.PeakActive <= e.room.MaxActiveLimit),
		"most active passes at once: %d of %d", e.room.PeakActive, e.room.MaxActiveLimit)
	s.check("admissions_within_rate", holdsIf(e.room.PeakPerMinute <= e.room.PerMinuteLimit),
		"most admissions in any rolling 60 s: %d of %d", e.room.PeakPerMinute, e.room.PerMinuteLimit)
}

// confirmed takes what is broken for unknown as long as the look before did not find it broken too.
func confirmed(before *Report, r Report) Report {
	seen := map[[2]string]bool{}
	if before != nil {
		for _, s := range before.Sales {
			for _, c := range s.Checks {
				seen[[2]string{s.Sale, c.Name}] = c.Verdict == fairness.Broken
			}
		}
	}
	out := Report{OK: true, Verdict: fairness.Holds}
	for _, s := range r.Sales {
		checks := s.Checks
		s.OK, s.Verdict, s.Checks = true, fairness.Holds, nil
		for _, c := range checks {
			if c.Verdict == fairness.Broken && !seen[[2]string{s.Sale, c.Name}] {
				c.Verdict, c.Detail = fairness.Unknown, c.Detail+"; seen in one look alone"
			}
			s.check(c.Name, c.Verdict, "%s", c.Detail)
		}
		out.add(s)
	}
	return out
}

func holdsIf(holds bool) fairness.Verdict {
	if holds {
		return fairness.Holds
	}
	return fairness.Broken
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

func suffix(word, list string) string {
	if list == "" {
		return ""
	}
	return word + list
}
