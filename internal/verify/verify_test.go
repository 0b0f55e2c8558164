package verify

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

// sound is the evidence of a sale in which everything holds.
func sound() evidence {
	start := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	return evidence{
		rec: sale.Record{Sale: sale.Sale{
			ID: "drop", StartsAt: start, EndsAt: start.Add(time.Hour),
			Admission: sale.Admission{Mode: sale.Queue, MaxActive: 10, RatePerMinute: 60},
			Items:     []sale.Item{{SKU: "A", Stock: 100}},
		}},
		items:  []ledger.ItemCount{{SKU: "A", Allocated: 100, Sold: 40}},
		orders: ledger.OrderStats{Orders: 40, Units: map[string]int64{"A": 40}},
		stock: reservation.AuditReport{Ready: true, Orders: 40, Stable: true, Items: []reservation.ItemAudit{{
			Counts:             reservation.Counts{SKU: "A", Allocated: 100, Available: 55, Held: 5, Sold: 40},
			HeldByReservations: 5, Charged: 45,
		}}},
		room: queue.RoomStats{PeakActive: 10, MaxActiveLimit: 10, PeakPerMinute: 60, PerMinuteLimit: 60},
	}
}

func TestASoundSaleIsFoundSound(t *testing.T) {
	s := sound().judge(sale.PhaseLive)
	if !s.OK {
		t.Fatalf("broken: %+v", s.Checks)
	}
	if s.Allocated != 100 || s.Available != 55 || s.Held != 5 || s.Sold != 40 || s.Lost != 0 || s.Orders != 40 {
		t.Fatalf("counts: %+v", s)
	}
}

func TestEachBrokenInvariantIsFoundAndNamed(t *testing.T) {
	cases := map[string]struct {
		breaks string
		change func(*evidence)
	}{
		"the ledger sold more than allocated": {"never_oversold", func(e *evidence) { e.items[0].Sold = 101 }},
		"orders and counters differ":          {"orders_add_up", func(e *evidence) { e.orders.Units["A"] = 39 }},
		"an order is there twice":             {"one_order_a_reservation", func(e *evidence) { e.orders.Duplicates = 1 }},
		"an order was refused":                {"no_dead_letters", func(e *evidence) { e.dead.orders = 1 }},
		"units vanished in redis":             {"balance", func(e *evidence) { e.stock.Items[0].Available-- }},
		"a hold without a reservation":        {"holds_add_up", func(e *evidence) { e.stock.Items[0].HeldByReservations-- }},
		"a hold that nobody counted":          {"holds_add_up", func(e *evidence) { e.stock.Items[0].HeldByReservations++ }},
		"allocations differ":                  {"same_stock_everywhere", func(e *evidence) { e.items[0].Allocated = 101 }},
		"a customer over the limit":           {"limits_kept", func(e *evidence) { e.stock.Items[0].OverLimit = 1 }},
		"an order on its way":                 {"log_drained", func(e *evidence) { e.pending = 1 }},
		"an order in the outbox":              {"log_drained", func(e *evidence) { e.stock.Outbox = 1 }},
		"an accepted order is lost":           {"every_order_in_the_ledger", func(e *evidence) { e.items[0].Sold, e.orders.Units["A"] = 39, 39 }},
		"an order that redis forgot":          {"every_order_in_the_ledger", func(e *evidence) { e.items[0].Sold, e.orders.Units["A"] = 41, 41 }},
		"more passes than the cap":            {"passes_within_cap", func(e *evidence) { e.room.PeakActive = 11 }},
		"more admissions than the rate":       {"admissions_within_rate", func(e *evidence) { e.room.PeakPerMinute = 61 }},
		"redis lost a sale that has begun":    {"stock_in_redis", func(e *evidence) { e.stock = reservation.AuditReport{} }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := sound()
			c.change(&e)
			s := e.judge(sale.PhaseLive)
			if s.OK {
				t.Fatal("the verdict is that all is well")
			}
			for _, check := range s.Checks {
				if check.Name == c.breaks && !check.OK {
					return
				}
			}
			t.Fatalf("%s is not among the broken: %+v", c.breaks, s.Checks)
		})
	}
}

func TestALostOrderIsCounted(t *testing.T) {
	e := sound()
	e.items[0].Sold, e.orders.Units["A"] = 37, 37
	if s := e.judge(sale.PhaseLive); s.Lost != 3 {
		t.Fatalf("lost %d, want 3", s.Lost)
	}
}

func TestUnitsOfRefusedOrdersAreLostEvenWhenTheSumsAgree(t *testing.T) {
	e := sound()
	e.dead = deadLetters{orders: 2, units: 5}
	if s := e.judge(sale.PhaseLive); s.OK || s.Lost != 5 {
		t.Fatalf("lost %d, ok %v", s.Lost, s.OK)
	}
}

func TestTheReportIsReadable(t *testing.T) {
	var text strings.Builder
	broken := sound()
	broken.pending = 2
	report := Report{Sales: []SaleReport{sound().judge(sale.PhaseLive), broken.judge(sale.PhaseLive)}}
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"allocated", "ok     balance", "BROKEN log_drained", "BROKEN: at least one"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
}
