// Package verify gives the verdict on the invariants, for which all the stores are read side by
// side, and the live figures of a sale.
package verify

import (
	"context"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/sales"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

// Deps are the stores that are read.
type Deps struct {
	Sales  *sales.Sales
	Ledger *ledger.Ledger
	Redis  rueidis.Client
	Broker *checkout.Broker
	Board  *degrade.Board
	// OpenStock builds this node's side of a sale's stock.
	OpenStock func(sale.Record) *reservation.Stock
}

// Verifier is safe for concurrent use.
type Verifier struct{ deps Deps }

// New returns a verifier.
func New(deps Deps) *Verifier { return &Verifier{deps: deps} }

const (
	// MaxWait is how long [Verifier.Verify] may be asked to wait.
	MaxWait = 2 * time.Minute
	// verifyPoll is the pause between two looks while orders are on their way.
	verifyPoll = 250 * time.Millisecond
)

// Verify checks the invariants of one sale, or of all with an empty id. The stores are read one
// after the other, so that while orders are on their way they cannot agree: Verify looks again
// until they do, for as long as wait, and reports the last look.
func (v *Verifier) Verify(ctx context.Context, saleID string, wait time.Duration) (Report, error) {
	deadline := time.Now().Add(wait)
	for {
		report, err := v.verifyOnce(ctx, saleID)
		if err != nil || report.OK || !time.Now().Before(deadline) {
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, ctx.Err()
		case <-time.After(verifyPoll):
		}
	}
}

func (v *Verifier) verifyOnce(ctx context.Context, saleID string) (Report, error) {
	records, err := v.recordsToVerify(ctx, saleID)
	if err != nil {
		return Report{}, err
	}
	lag, err := v.deps.Broker.Lag(ctx)
	if err != nil {
		return Report{}, err
	}
	dead, err := v.openDeadLetters(ctx)
	if err != nil {
		return Report{}, err
	}
	report := Report{OK: true, Sales: make([]SaleReport, 0, len(records))}
	for _, rec := range records {
		one, err := v.verifySale(ctx, rec, int64(lag.Pending), dead)
		if err != nil {
			return Report{}, err
		}
		report.Sales = append(report.Sales, one)
		report.OK = report.OK && one.OK
	}
	return report, nil
}

func (v *Verifier) recordsToVerify(ctx context.Context, saleID string) ([]sale.Record, error) {
	if saleID == "" {
		return v.deps.Ledger.Sales(ctx)
	}
	rec, err := v.deps.Ledger.Sale(ctx, saleID)
	return []sale.Record{rec}, err
}

// evidence is what the stores say about a sale.
type evidence struct {
	rec     sale.Record
	items   []ledger.ItemCount
	orders  ledger.OrderStats
	dead    deadLetters
	stock   reservation.AuditReport
	room    queue.RoomStats
	pending int64
}

func (v *Verifier) verifySale(ctx context.Context, rec sale.Record, pending int64, dead map[string]deadLetters) (SaleReport, error) {
	e := evidence{rec: rec, pending: pending, dead: dead[rec.ID]}
	e.dead.orders += dead[unreadable].orders
	var err error
	if e.orders, err = v.deps.Ledger.OrderStats(ctx, rec.ID); err != nil {
		return SaleReport{}, err
	}
	if e.items, err = v.deps.Ledger.Items(ctx, rec.ID); err != nil {
		return SaleReport{}, err
	}
	if e.stock, err = reservation.Audit(ctx, v.deps.Redis, rec.ID); err != nil {
		return SaleReport{}, err
	}
	if e.stock.Ready {
		if e.room, err = queue.Stats(ctx, v.deps.Redis, rec.ID); err != nil {
			return SaleReport{}, err
		}
	}
	return e.judge(v.deps.Sales.Phase(rec)), nil
}

// judge is pure: it compares what the stores say.
func (e evidence) judge(phase sale.Phase) SaleReport {
	s := SaleReport{Sale: e.rec.ID, Phase: string(phase), OK: true, Orders: e.orders.Orders, Duplicates: e.orders.Duplicates}
	e.addItems(&s)
	e.judgeLedger(&s)
	switch {
	case e.stock.Ready:
		s.Undrained = max(e.pending, e.stock.Outbox)
		e.judgeRedis(&s)
		e.judgeRoom(&s)
	case phase.Begun():
		s.check("stock_in_redis", false, "the sale has begun and redis does not hold its stock")
	default:
		s.check("stock_in_redis", true, "not armed: the sale has not begun, or is over and cleared away")
	}
	return s
}

func (e evidence) addItems(s *SaleReport) {
	armed := make(map[string]reservation.ItemAudit, len(e.stock.Items))
	for _, item := range e.stock.Items {
		armed[item.SKU] = item
	}
	for _, item := range e.items {
		row := ItemReport{SKU: item.SKU, Allocated: item.Allocated, Sold: item.Sold, Available: item.Allocated - item.Sold, SoldRedis: item.Sold}
		if in, ok := armed[item.SKU]; ok {
			row.Available, row.Held, row.SoldRedis = in.Available, in.Held, in.Sold
		}
		s.Items = append(s.Items, row)
		s.Allocated += row.Allocated
		s.Available += row.Available
		s.Held += row.Held
		s.Sold += row.Sold
		s.Lost += max(0, row.SoldRedis-row.Sold)
	}
	// Units of orders that were accepted and refused by the ledger are lost to their buyers, also
	// where Redis no longer counts them as sold.
	s.Lost = max(s.Lost, e.dead.units)
}

func (e evidence) judgeLedger(s *SaleReport) {
	var over, lineUnits int64
	for _, item := range e.items {
		over += max(0, item.Sold-item.Allocated)
		lineUnits += e.orders.Units[item.SKU]
	}
	s.check("never_oversold", over == 0, "sold %d of %d allocated in the ledger", s.Sold, s.Allocated)
	s.check("orders_add_up", lineUnits == s.Sold, "the ledger's orders hold %d units, its counters %d", lineUnits, s.Sold)
	s.check("one_order_a_reservation", e.orders.Duplicates == 0, "%d orders, %d of them duplicates", e.orders.Orders, e.orders.Duplicates)
	s.check("no_dead_letters", e.dead.orders == 0, "%d orders were refused by the ledger and wait for a person", e.dead.orders)
}

func (e evidence) judgeRedis(s *SaleReport) {
	unbalanced, heldApart, overLimit, soldApart, allocatedApart := "", int64(0), int64(0), int64(0), int64(0)
	ledgerItems := make(map[string]ledger.ItemCount, len(e.items))
	for _, item := range e.items {
		ledgerItems[item.SKU] = item
	}
	for _, item := range e.stock.Items {
		if !item.Balanced() {
			unbalanced += " " + item.SKU
		}
		heldApart += abs(item.Held - item.HeldByReservations)
		overLimit += item.OverLimit
		soldApart += abs(item.Sold - ledgerItems[item.SKU].Sold)
		allocatedApart += abs(item.Allocated - ledgerItems[item.SKU].Allocated)
	}
	s.check("balance", unbalanced == "", "allocated = available + held + sold for each item%s", suffix("; not for", unbalanced))
	s.check("holds_add_up", heldApart == 0, "held units and live reservations differ by %d", heldApart)
	s.check("same_stock_everywhere", allocatedApart == 0, "allocations of redis and ledger differ by %d", allocatedApart)
	s.check("limits_kept", overLimit == 0, "%d customers hold and have bought more than the limit", overLimit)
	s.check("log_drained", s.Undrained == 0, "%d accepted orders are on their way to the ledger", s.Undrained)
	s.check("every_order_in_the_ledger", soldApart == 0, "units sold in redis and in the ledger differ by %d", soldApart)
}

func (e evidence) judgeRoom(s *SaleReport) {
	if e.rec.Admission.Mode != sale.Queue {
		return
	}
	s.check("passes_within_cap", e.room.PeakActive <= e.room.MaxActiveLimit,
		"most active passes at once: %d of %d", e.room.PeakActive, e.room.MaxActiveLimit)
	s.check("admissions_within_rate", e.room.PeakPerMinute <= e.room.PerMinuteLimit,
		"most admissions in any rolling 60 s: %d of %d", e.room.PeakPerMinute, e.room.PerMinuteLimit)
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
