package verify

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/fairness"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

// sound is the evidence of a busy sale in which everything holds: since Redis was read the ledger has got three more
// orders, two of which are of the same millisecond as the reading.
func sound() evidence {
	start := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	now := start.Add(time.Minute).UnixMilli()
	return evidence{
		rec: sale.Record{Sale: sale.Sale{
			ID: "drop", StartsAt: start, EndsAt: start.Add(time.Hour),
			Admission: sale.Admission{Mode: sale.Queue, MaxActive: 10, RatePerMinute: 60},
			Items:     []sale.Item{{SKU: "A", Stock: 100}},
		}},
		before: ledger.SaleBalance{Version: 2, NewestMillis: now - 5, Items: []ledger.ItemBalance{{
			ItemCount: ledger.ItemCount{SKU: "A", Allocated: 100, Sold: 37}, SoldBefore: 37, SoldUpTo: 37,
		}}},
		stock: reservation.AuditReport{Ready: true, Version: 2, AtMillis: now, Orders: 40, Stable: true, Items: []reservation.ItemAudit{{
			Counts:             reservation.Counts{SKU: "A", Allocated: 100, Available: 54, Held: 5, Sold: 40, Withheld: 1},
			HeldByReservations: 5, Charged: 45,
		}}},
		log: logEvidence{drained: true},
		after: ledger.SaleBalance{Version: 2, NewestMillis: now + 5, Items: []ledger.ItemBalance{{
			ItemCount: ledger.ItemCount{SKU: "A", Allocated: 100, Sold: 43}, SoldBefore: 39, SoldUpTo: 41,
		}}},
		untouched: true,
		orders:    ledger.OrderStats{Orders: 43, Units: map[string]int64{"A": 43}, Counted: map[string]int64{"A": 43}},
		room:      queue.RoomStats{PeakActive: 10, MaxActiveLimit: 10, PeakPerMinute: 60, PerMinuteLimit: 60},
	}
}

func judged(e evidence) SaleReport { return e.judge(sale.PhaseLive) }

func TestASoundSaleIsFoundSound(t *testing.T) {
	s := judged(sound())
	if !s.OK || s.Verdict != fairness.Holds {
		t.Fatalf("%s: %+v", s.Verdict, s.Checks)
	}
	if s.Allocated != 100 || s.Available != 54 || s.Held != 5 || s.Sold != 41 || s.Lost != 0 || s.Orders != 43 {
		t.Fatalf("counts: %+v", s)
	}
}

func TestEachInvariantThatDoesNotHoldIsFoundAndNamed(t *testing.T) {
	unknown, broken := fairness.Unknown, fairness.Broken
	cases := map[string]struct {
		check  string
		want   fairness.Verdict
		change func(*evidence)
	}{
		"the ledger sold more than allocated":   {"never_oversold", broken, func(e *evidence) { e.after.Items[0].Sold = 101 }},
		"orders and counters differ":            {"orders_add_up", broken, func(e *evidence) { e.orders.Units["A"] = 42 }},
		"a unit is counted twice in the ledger": {"orders_add_up", broken, func(e *evidence) { e.orders.Counted["A"] = 44 }},
		"an order is there twice":               {"one_order_a_reservation", broken, func(e *evidence) { e.orders.Duplicates = 1 }},
		"an order was refused":                  {"no_dead_letters", broken, func(e *evidence) { e.dead.orders = 1 }},
		"units vanished in redis":               {"balance", broken, func(e *evidence) { e.stock.Items[0].Available-- }},
		"a hold without a reservation":          {"holds_add_up", broken, func(e *evidence) { e.stock.Items[0].HeldByReservations-- }},
		"a hold that nobody counted":            {"holds_add_up", broken, func(e *evidence) { e.stock.Items[0].HeldByReservations++ }},
		"holds in the wrong channel":            {"holds_add_up", broken, func(e *evidence) { e.stock.Items[0].HeldElsewhere = 2 }},
		"too many holds to be counted":          {"holds_add_up", unknown, func(e *evidence) { e.stock.Stable, e.stock.Items[0].HeldByReservations = false, 3 }},
		"allocations differ":                    {"same_stock_everywhere", broken, func(e *evidence) { e.before.Items[0].Allocated, e.after.Items[0].Allocated = 101, 101 }},
		"redis does not know of a change yet":   {"same_stock_everywhere", unknown, func(e *evidence) { e.after.Items[0].Allocated, e.after.Version = 101, 3 }},
		"a customer over an item's limit":       {"limits_kept", broken, func(e *evidence) { e.stock.Items[0].OverLimit = 1 }},
		"a customer over the sale's limit":      {"limits_kept", broken, func(e *evidence) { e.stock.OverSaleLimit = 1 }},
		"an order on its way":                   {"log_drained", unknown, func(e *evidence) { e.log = logEvidence{undrained: 1} }},
		"no drain and units apart":              {"every_order_in_the_ledger", unknown, func(e *evidence) { e.log.drained, e.stock.Items[0].Sold = false, 45 }},
		"an accepted order is lost":             {"every_order_in_the_ledger", broken, func(e *evidence) { e.after.Items[0].SoldUpTo = 39 }},
		"an order that redis forgot":            {"every_order_in_the_ledger", broken, func(e *evidence) { e.after.Items[0].SoldBefore = 41 }},
		"forgotten, and the log is not drained": {"every_order_in_the_ledger", broken, func(e *evidence) { e.log.drained, e.after.Items[0].SoldBefore = false, 41 }},
		"an item that redis does not have": {"every_order_in_the_ledger", broken, func(e *evidence) {
			e.after.Items = append(e.after.Items, ledger.ItemBalance{ItemCount: ledger.ItemCount{SKU: "B"}, SoldBefore: 1})
		}},
		"an order failed during the look":   {"every_order_in_the_ledger", unknown, func(e *evidence) { e.after.Failed, e.after.Items[0].SoldUpTo = 1, 39 }},
		"redis was rebuilt during the look": {"every_order_in_the_ledger", unknown, func(e *evidence) { e.untouched, e.after.Items[0].SoldUpTo = false, 39 }},
		"the clock of redis went back":      {"every_order_in_the_ledger", unknown, func(e *evidence) { e.before.NewestMillis = e.stock.AtMillis + 1 }},
		"more passes than the cap":          {"passes_within_cap", broken, func(e *evidence) { e.room.PeakActive = 11 }},
		"more admissions than the rate":     {"admissions_within_rate", broken, func(e *evidence) { e.room.PeakPerMinute = 61 }},
		"redis lost a sale that has begun":  {"stock_in_redis", broken, func(e *evidence) { e.stock = reservation.AuditReport{} }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := sound()
			c.change(&e)
			s := judged(e)
			if s.OK || s.Verdict == fairness.Holds {
				t.Fatal("the verdict is that all is well")
			}
			for _, check := range s.Checks {
				if check.Name == c.check && check.Verdict == c.want && !check.OK {
					return
				}
			}
			t.Fatalf("%s is not %s: %+v", c.check, c.want, s.Checks)
		})
	}
}

func TestADecreaseThatIsUnderWayIsNoDifference(t *testing.T) {
	e := sound()
	e.stock.Items[0].Allocated, e.stock.Items[0].Available = 90, 44
	target := int64(90)
	e.after.Items[0].Pending = &target
	if s := judged(e); !s.OK {
		t.Fatalf("%+v", s.Checks)
	}
}

func TestALostOrderIsCounted(t *testing.T) {
	e := sound()
	e.after.Items[0].SoldBefore, e.after.Items[0].SoldUpTo = 37, 37
	if s := judged(e); s.Lost != 3 {
		t.Fatalf("lost %d, want 3", s.Lost)
	}
}

func TestUnitsOfRefusedOrdersAreLostEvenWhenTheSumsAgree(t *testing.T) {
	e := sound()
	e.dead = deadLetters{orders: 2, units: 5}
	if s := judged(e); s.OK || s.Lost != 5 {
		t.Fatalf("lost %d, ok %v", s.Lost, s.OK)
	}
}

func reportOf(e evidence) Report {
	r := Report{OK: true, Verdict: fairness.Holds}
	r.add(judged(e))
	return r
}

func TestOnlyWhatTwoLooksFindIsBroken(t *testing.T) {
	bad := sound()
	bad.orders.Duplicates = 1
	worse := bad
	worse.dead.orders = 1
	good, one, both := reportOf(sound()), reportOf(bad), reportOf(worse)
	if r := confirmed(nil, one); r.Verdict != fairness.Unknown || r.OK || r.Sales[0].OK {
		t.Errorf("one look alone: %s", r.Verdict)
	}
	if r := confirmed(&good, one); r.Verdict != fairness.Unknown {
		t.Errorf("the look before was good: %s", r.Verdict)
	}
	if r := confirmed(&one, one); r.Verdict != fairness.Broken || r.Sales[0].Verdict != fairness.Broken {
		t.Errorf("two looks: %s", r.Verdict)
	}
	if r := confirmed(&one, good); !r.OK || r.Verdict != fairness.Holds {
		t.Errorf("it was mended: %s", r.Verdict)
	}
	r := confirmed(&one, both)
	for _, c := range r.Sales[0].Checks {
		if c.Name == "no_dead_letters" && c.Verdict != fairness.Unknown {
			t.Errorf("what is new in the second look is %s", c.Verdict)
		}
	}
}

func TestTheReportIsReadable(t *testing.T) {
	busy, broken := sound(), sound()
	busy.log = logEvidence{undrained: 2}
	broken.orders.Duplicates = 1
	for want, e := range map[string]evidence{
		"every invariant holds": sound(), "NOT KNOWN: nothing is broken": busy, "BROKEN: at least one": broken,
	} {
		var text strings.Builder
		if err := reportOf(e).WriteText(&text); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"allocated", "ok     balance", want} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the report lacks %q:\n%s", want, text.String())
			}
		}
	}
}
