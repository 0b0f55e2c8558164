package recovery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/reservation"
)

// buyPatiently is buy for somebody who tries again while the sale is being restored.
func (w *world) buyPatiently(id, name string) (order string) {
	w.t.Helper()
	testenv.Eventually(w.t, 20*time.Second, name+" buys", func() bool {
		var err error
		order, err = w.buy(context.Background(), id, name)
		if err != nil && !errors.Is(err, problem.Unavailable) {
			w.t.Fatal(err)
		}
		return err == nil
	})
	return order
}

// buy reserves one unit and orders it.
func (w *world) buy(ctx context.Context, id, name string) (order string, err error) {
	entry := w.cache.Get(id)
	held, _, err := entry.Stock().Reserve(ctx, reservation.Request{
		IdempotencyKey: "r-" + name, Scope: "test", Customer: name, Lines: []reservation.Line{{SKU: "A", Quantity: 1}},
	})
	if err != nil {
		return "", err
	}
	accepted, err := w.desk.Accept(ctx, entry.Stock(), entry.Record(), checkout.OrderRequest{
		Reservation: held.ID, IdempotencyKey: "o-" + name, By: reservation.Proof{Proved: true}, CustomerDoc: []byte(`{}`),
	})
	return accepted.ID, err
}

func TestASaleThatRedisForgotIsRebuiltFromOrdersAndJournal(t *testing.T) {
	w := newWorld(t, testenv.Redis(t).URL)
	ctx := context.Background()
	w.create("drop", 10)
	order := w.buyPatiently("drop", "ada")
	held, _, err := w.cache.Get("drop").Stock().Reserve(ctx, reservation.Request{
		IdempotencyKey: "k", Scope: "test", Customer: "bob", Lines: []reservation.Line{{SKU: "A", Quantity: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.broker.Journal().Flush(ctx); err != nil {
		t.Fatal(err)
	}
	w.forget("drop")
	if c := w.counts("drop"); c.Available != 7 || c.Held != 2 || c.Sold != 1 || c.Allocated != 10 {
		t.Fatalf("counts after the rebuild: %+v", c)
	}
	entry := w.cache.Get("drop")
	again, err := w.desk.Accept(ctx, entry.Stock(), entry.Record(), checkout.OrderRequest{
		Reservation: held.ID, IdempotencyKey: "late", By: reservation.Proof{Proved: true}, CustomerDoc: []byte(`{}`),
	})
	if err != nil || again.ID == order {
		t.Fatalf("the holder of before cannot order: %+v, %v", again, err)
	}
}

// TestWhatTheLedgerRefusedIsAsBeforeAfterALoss has one order that is refused for its data, by the
// sale's policy with its unit withheld, and one that the ledger had no unit for.
func TestWhatTheLedgerRefusedIsAsBeforeAfterALoss(t *testing.T) {
	for _, policy := range []sale.FailedOrders{sale.ReturnUnits, sale.WithholdUnits} {
		t.Run(string(policy), func(t *testing.T) {
			w := newWorld(t, testenv.Redis(t).URL)
			one := openSale("drop", 3)
			one.FailedOrders = policy
			w.createSale(one)
			w.buyPatiently("drop", "ada")
			w.fail("drop", "bob", ledger.ErrConstraint)
			forgotten := w.forget("drop")
			want := reservation.Counts{SKU: "A", Allocated: 3, Available: 2, Sold: 1}
			if policy == sale.WithholdUnits {
				want.Available, want.Withheld = 1, 1
			}
			if got := w.counts("drop"); got != want {
				t.Fatalf("counts after the rebuild in epoch %d: %+v, want %+v", forgotten.Epoch, got, want)
			}
		})
	}
}

func TestAnOrderThatWasOversoldIsNotOfferedAgainAfterALoss(t *testing.T) {
	w := newWorld(t, testenv.Redis(t).URL)
	ctx := context.Background()
	w.create("drop", 2)
	w.buyPatiently("drop", "ada")
	w.buyPatiently("drop", "bob")
	testenv.Eventually(t, 20*time.Second, "both are in the ledger", func() bool { return w.allocated("drop").Sold == 2 })
	third := w.order("drop", "eve")
	_, refusal := w.ledger.CommitOrders(ctx, []checkout.Order{third})
	if !ledger.IsOversold(refusal) {
		t.Fatalf("the ledger says %v", refusal)
	}
	w.keepFailed(third, refusal)
	w.forget("drop")
	if got, want := w.counts("drop"), (reservation.Counts{SKU: "A", Allocated: 2, Sold: 2, Withheld: 1, Owed: 1}); got != want {
		t.Fatalf("counts after the rebuild: %+v, want %+v", got, want)
	}
	if _, err := w.buy(ctx, "drop", "late"); !errors.Is(err, problem.SoldOut) {
		t.Fatalf("a late buyer is told %v", err)
	}
}

// TestALiveSaleIsSteeredWhileNothingMayBeArmed keeps what needs no arming apart from it: the state is
// there, so a pause, a message and a change of stock reach the visitors.
func TestALiveSaleIsSteeredWhileNothingMayBeArmed(t *testing.T) {
	w := newWorld(t, "redis://"+testenv.Mini(t).Addr())
	ctx := context.Background()
	w.create("drop", 10)
	w.permit(problem.With(problem.NotArmed, "the log does not sync"))
	if err := w.changeBy(-4); err != nil {
		t.Fatalf("fewer units: %v", err)
	}
	if _, err := w.sales.Control(ctx, "drop", func(c *sale.Control) { c.Paused = true }); err != nil {
		t.Fatalf("a pause: %v", err)
	}
	entry := w.cache.Get("drop")
	if !entry.Ready() || !entry.Record().Paused || w.counts("drop").Allocated != 6 || entry.Record().Epoch != 1 {
		t.Fatalf("ready %v, %+v, %+v", entry.Ready(), entry.Record(), w.counts("drop"))
	}
}

// TestARefusalToArmUsesUpNoEpoch lets the permission go while a sale has to be rebuilt.
func TestARefusalToArmUsesUpNoEpoch(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t))
	ctx := context.Background()
	w.create("drop", 10)
	w.permit(problem.With(problem.NotArmed, "the log does not sync"))
	if err := w.redis.Do(ctx, w.redis.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 10*time.Second, "the refusal is told", func() bool { return w.sales.Refusal(ctx, "drop") != "" })
	if _, err := w.sales.Create(ctx, openSale("other", 5)); !errors.Is(err, problem.NotArmed) {
		t.Fatalf("a new sale while nothing may be armed: %v", err)
	}
	rec, err := w.ledger.Sale(ctx, "drop")
	if err != nil || rec.Epoch != 1 {
		t.Fatalf("epoch %d, %v; want 1", rec.Epoch, err)
	}
	testenv.Eventually(t, 10*time.Second, "the sale is told to be not armed", func() bool { return w.sales.Phase(rec) == sale.PhaseNotArmed })
	w.permit(nil)
	testenv.Eventually(t, 20*time.Second, "the sale is armed once it may be", func() bool { return w.cache.Get("drop").Ready() })
	if why := w.sales.Refusal(ctx, "drop"); why != "" {
		t.Fatalf("the refusal is still told: %q", why)
	}
}

func TestManySalesAreRebuiltSideBySide(t *testing.T) {
	w := newWorld(t, testenv.Redis(t).URL)
	ctx := context.Background()
	const many = 20
	for i := range many {
		w.create(fmt.Sprintf("drop-%d", i), 5)
	}
	if err := w.redis.Do(ctx, w.redis.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	for i := range many {
		id := fmt.Sprintf("drop-%d", i)
		testenv.Eventually(t, 30*time.Second, id+" is back", func() bool {
			entry := w.cache.Get(id)
			return entry != nil && entry.Ready() && entry.Record().Epoch >= 2
		})
	}
}

// TestADecreaseOfStockNeverOffersWhatTheLedgerWouldRefuse changes the stock up and down while a
// crowd buys, with leaders that lose their term in the middle. In the end the ledger has every
// accepted order, Redis and ledger agree, and nothing was refused.
func TestADecreaseOfStockNeverOffersWhatTheLedgerWouldRefuse(t *testing.T) {
	w := newWorld(t, testenv.Redis(t).URL)
	ctx, cancel := context.WithCancel(context.Background())
	w.create("drop", 200)
	var accepted atomic.Int64
	var crowd sync.WaitGroup
	for buyer := range 8 {
		crowd.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if _, err := w.buy(context.Background(), "drop", fmt.Sprintf("%d-%d", buyer, i)); err == nil {
					accepted.Add(1)
				}
			}
		})
	}
	for round, by := range []int64{-40, 10, -60, 30, -100, 5, -45, 20} {
		if round%3 == 1 {
			w.depose()
			w.lead()
		}
		err := w.changeBy(by)
		if err != nil && !errors.Is(err, problem.StockConflict) && !errors.Is(err, problem.InvalidQuantity) && !errors.Is(err, problem.Conflict) {
			t.Errorf("change by %d: %v", by, err)
		}
	}
	cancel()
	crowd.Wait()
	testenv.Eventually(t, 20*time.Second, "every accepted order is in the ledger, and both agree", func() bool {
		item, counts := w.allocated("drop"), w.counts("drop")
		return item.Sold == accepted.Load() && counts.Sold == item.Sold && counts.Allocated == item.Allocated
	})
	letters, _, err := w.ledger.DeadLetters(context.Background(), "", 10)
	if err != nil || len(letters) > 0 {
		t.Fatalf("the ledger refused orders: %v, %v", letters, err)
	}
	if counts := w.counts("drop"); counts.Allocated != counts.Available+counts.Held+counts.Sold {
		t.Fatalf("out of balance: %+v", counts)
	}
}

// TestADecreaseThatWasBegunIsCompletedByTheNextLeader leaves the change where a process died after
// its first step.
func TestADecreaseThatWasBegunIsCompletedByTheNextLeader(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t))
	ctx := context.Background()
	w.create("drop", 10)
	w.depose()
	from := int64(10)
	if _, _, err := w.ledger.ChangeStock(ctx, "drop", []ledger.StockChange{{SKU: "A", By: -4, Expected: &from}}, false); err != nil {
		t.Fatal(err)
	}
	w.lead()
	testenv.Eventually(t, 10*time.Second, "the decrease is complete in both stores", func() bool {
		return w.allocated("drop").Allocated == 6 && w.counts("drop").Allocated == 6
	})
}

// TestManyChangesThatWereBegunAreCompletedByTheNextLeader leaves a file of stock where a process died after the
// ledger had taken it.
func TestManyChangesThatWereBegunAreCompletedByTheNextLeader(t *testing.T) {
	w := newWorld(t, testenv.MiniURL(t))
	ctx := context.Background()
	now := time.Now().UTC().Truncate(time.Millisecond)
	doc := sale.Sale{
		ID: "drop", Name: "drop", StartsAt: now.Add(-time.Minute), EndsAt: now.Add(time.Hour), Channels: map[string]int64{"web": 3, "app": 1},
		Items: []sale.Item{{SKU: "A", Name: "A", Stock: 10}, {SKU: "B", Name: "B", Stock: 20}, {SKU: "C", Name: "C", Stock: 30}},
	}.WithDefaults()
	if _, err := w.sales.Create(ctx, doc); err != nil {
		t.Fatal(err)
	}
	w.depose()
	six, forty := int64(6), int64(40)
	changes := []ledger.StockChange{{SKU: "C", SetTo: &forty}, {SKU: "A", SetTo: &six}, {SKU: "B", By: -20}}
	if _, done, err := w.ledger.ChangeStock(ctx, "drop", changes, false); err != nil || !done {
		t.Fatalf("%v, %v", done, err)
	}
	w.lead()
	testenv.Eventually(t, 10*time.Second, "all changes are complete in both stores", func() bool {
		items, err := w.ledger.Items(ctx, "drop")
		entry := w.cache.Get("drop")
		if err != nil || entry == nil || entry.Stock().Refresh(ctx) != nil || len(entry.Stock().Snapshot().Items) != 3 {
			return false
		}
		for i, want := range []int64{6, 0, 40} {
			if items[i].Allocated != want || entry.Stock().Snapshot().Items[i].Allocated != want {
				return false
			}
		}
		return true
	})
}
