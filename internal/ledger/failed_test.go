package ledger

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// keepRefused makes an order a dead letter, as the drain does, and returns the letter's id.
func keepRefused(t *testing.T, l *Ledger, o checkout.Order, refusal error) (letter string, failed bool) {
	t.Helper()
	raw, err := checkout.EncodeOrder(o)
	if err != nil {
		t.Fatal(err)
	}
	failed, err = l.AddDeadLetter(t.Context(), raw, refusal)
	if err != nil {
		t.Fatal(err)
	}
	return letterID(raw), failed
}

// moved counts the units that Redrive moves.
type moved struct {
	reacquired, givenBack int
	refuse                error
}

func (m *moved) units() Units {
	return Units{
		Reacquire: func(context.Context, checkout.Order) error { m.reacquired++; return m.refuse },
		GiveBack:  func(context.Context, checkout.Order, error) error { m.givenBack++; return nil },
	}
}

func TestARefusedOrderIsFailedForItsBuyer(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 1, "a")
		commit(t, l, order("drop", "a", 1))
		late := order("drop", "a", 2)
		_, refusal := l.CommitOrders(t.Context(), []checkout.Order{late})
		if !IsOversold(refusal) || !IsPermanent(refusal) {
			t.Fatalf("got %v", refusal)
		}
		for range 2 {
			if _, failed := keepRefused(t, l, late, refusal); !failed {
				t.Fatal("it is not failed")
			}
		}
		got, err := l.Order(t.Context(), late.ID)
		if err != nil || got.Status != "failed" || got.Reservation != late.Reservation || len(got.Lines) != 1 || got.CommittedAtMillis != 0 {
			t.Errorf("the buyer sees %+v, %v", got, err)
		}
		// Its units were given back: a repetition from the log must not commit it, even if it could.
		rec, err := l.Sale(t.Context(), "drop")
		if err != nil {
			t.Fatal(err)
		}
		rec.Items = []sale.Item{{SKU: "a", Name: "a", Stock: 9}}
		if _, err := l.SaveSale(t.Context(), rec, rec.Version); err != nil {
			t.Fatal(err)
		}
		_, err = l.CommitOrders(t.Context(), []checkout.Order{order("drop", "a", 3), late})
		if !IsPermanent(err) || !IsOversold(err) || !strings.Contains(err.Error(), "failed before") {
			t.Errorf("a repetition: %v", err)
		}
		checkSold(t, l, "drop", "a", 1)
	})
}

func TestARefusalOfTheDataIsNotOversold(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 1, "a")
		bad := order("drop", "a", 1)
		bad.PaymentRef = "a\x00b"
		_, refusal := l.CommitOrders(t.Context(), []checkout.Order{bad})
		if IsOversold(refusal) || !IsPermanent(refusal) {
			t.Fatalf("got %v", refusal)
		}
		letter, failed := keepRefused(t, l, bad, refusal)
		if got, err := l.Order(t.Context(), bad.ID); !failed || err != nil || got.Status != "failed" {
			t.Errorf("the buyer sees %+v, %v", got, err)
		}
		var m moved
		if _, _, err := l.Redrive(t.Context(), letter, m.units()); !errors.Is(err, problem.StillRefused) || m.reacquired != 0 {
			t.Errorf("driven again: %v, %d times units were taken", err, m.reacquired)
		}
		checkOpen(t, l, 1)
	})
}

func TestARedriveCommitsOrTellsWhyNot(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 1, "a")
		commit(t, l, order("drop", "a", 1))
		late := order("drop", "a", 2)
		_, refusal := l.CommitOrders(t.Context(), []checkout.Order{late})
		letter, _ := keepRefused(t, l, late, refusal)

		m := moved{refuse: problem.SoldOut}
		if _, _, err := l.Redrive(t.Context(), letter, m.units()); !errors.Is(err, problem.StillRefused) || m.givenBack != 0 {
			t.Errorf("without units: %v", err)
		}
		m = moved{refuse: problem.Unavailable}
		if _, _, err := l.Redrive(t.Context(), letter, m.units()); !errors.Is(err, problem.Unavailable) {
			t.Errorf("without Redis: %v", err)
		}
		m = moved{}
		if _, _, err := l.Redrive(t.Context(), letter, m.units()); !errors.Is(err, problem.StillRefused) || m.reacquired != 1 || m.givenBack != 1 {
			t.Errorf("without units in the ledger: %v, %+v", err, m)
		}
		if got, err := l.Order(t.Context(), late.ID); err != nil || got.Status != "failed" {
			t.Errorf("it is %+v, %v", got, err)
		}
		checkOpen(t, l, 1)

		rec, err := l.Sale(t.Context(), "drop")
		if err != nil {
			t.Fatal(err)
		}
		rec.Items = []sale.Item{{SKU: "a", Name: "a", Stock: 2}}
		if _, err := l.SaveSale(t.Context(), rec, rec.Version); err != nil {
			t.Fatal(err)
		}
		m = moved{}
		got, again, err := l.Redrive(t.Context(), letter, m.units())
		if err != nil || again || got.Status != "committed" || m.reacquired != 1 || m.givenBack != 0 {
			t.Errorf("got %+v, %v, %v, %+v", got, again, err, m)
		}
		checkSold(t, l, "drop", "a", 2)
		checkOpen(t, l, 0)
		if got, again, err = l.Redrive(t.Context(), letter, m.units()); err != nil || !again || got.ID != late.ID || m.reacquired != 1 {
			t.Errorf("again: %+v, %v, %v", got, again, err)
		}
		if _, _, err := l.Redrive(t.Context(), "dl_none", m.units()); !errors.Is(err, problem.NotFound) {
			t.Errorf("an unknown letter: %v", err)
		}
	})
}

func TestFailedOrdersAreReadAPageAtATime(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 1, "a")
		newSale(t, l, "other", 0, "a")
		commit(t, l, order("drop", "a", 0))
		for n := 1; n <= 5; n++ {
			o := order("drop", "a", n)
			refusal := errors.New("refused elsewhere")
			if n%2 == 0 {
				_, refusal = l.CommitOrders(t.Context(), []checkout.Order{o})
			}
			if _, failed := keepRefused(t, l, o, refusal); !failed {
				t.Fatal("it is not failed")
			}
		}
		keepRefused(t, l, order("other", "a", 1), errors.New("refused elsewhere"))
		seen := map[string]bool{}
		pages := 0
		for cursor := ""; ; pages++ {
			page, next, err := l.FailedOrders(t.Context(), "drop", cursor, 2)
			if err != nil || len(page) > 2 {
				t.Fatalf("%d orders, %v", len(page), err)
			}
			for _, o := range page {
				if o.Sale != "drop" || len(o.Lines) != 1 || o.Lines[0].SKU != "a" || o.Status != "failed" || seen[o.ID] {
					t.Errorf("read %+v", o)
				}
				if even := o.ID[len(o.ID)-1]%2 == 0; o.Oversold != even {
					t.Errorf("%s: oversold %v", o.ID, o.Oversold)
				}
				seen[o.ID] = true
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		if len(seen) != 5 || pages < 2 {
			t.Errorf("%d orders in %d pages", len(seen), pages+1)
		}
	})
}

// Two drains may have the same order at the same moment, one to commit it, one to give it up.
func TestAnOrderIsCommittedOrFailedNeverBoth(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		const rounds = 40
		newSale(t, l, "drop", rounds, "a")
		var committed int64
		for n := range rounds {
			o := order("drop", "a", n)
			var failed bool
			var commitErr error
			var both sync.WaitGroup
			both.Go(func() { _, commitErr = l.CommitOrders(t.Context(), []checkout.Order{o}) })
			both.Go(func() { _, failed = keepRefused(t, l, o, errors.New("refused elsewhere")) })
			both.Wait()
			if commitErr != nil && !IsPermanent(commitErr) {
				t.Fatal(commitErr)
			}
			if failed == (commitErr == nil) {
				t.Fatalf("round %d: failed %v, commit %v", n, failed, commitErr)
			}
			got, err := l.Order(t.Context(), o.ID)
			if err != nil || (got.Status == "failed") != failed {
				t.Fatalf("round %d: failed %v, and the order is %+v, %v", n, failed, got, err)
			}
			if !failed {
				committed++
			}
		}
		checkSold(t, l, "drop", "a", committed)
		t.Logf("%d of %d were committed", committed, rounds)
	})
}
