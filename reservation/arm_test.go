package reservation

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// book is a journal in memory.
type book struct {
	mu      sync.Mutex
	records [][]byte
	fail    error
}

func (b *book) append(_ context.Context, _ string, records [][]byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail == nil {
		b.records = append(b.records, records...)
	}
	return b.fail
}

func (b *book) enqueue(saleID string, records [][]byte) {
	_ = b.append(context.Background(), saleID, records)
}

func (b *book) keep(d *Deps) { d.Journal, d.Enqueue = b.append, b.enqueue }

func flush(t testing.TB, client rueidis.Client) {
	t.Helper()
	if err := client.Do(context.Background(), client.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
}

func TestArmAgainChangesTermsAndNoCounter(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		s := open(t, client, rec)
		r := mustReserve(t, s, ask1("1", "ann", 3))
		mustConfirm(t, s, confirmation(r.ID, "o", 1))
		mustReserve(t, s, ask1("2", "ann", 2))
		rec.Version, rec.Items[0].Stock, rec.Items[0].PerCustomer = 2, 999, 6
		rec.Items = append(rec.Items, sale.Item{SKU: "BAG", Stock: 4})
		rec.Reservation.TTL = sale.Duration(time.Hour)
		for range 2 {
			if err := Arm(ctx, client, rec, nil); err != nil {
				t.Fatal(err)
			}
		}
		s.Update(rec)
		wantCounts(t, client, "SHOE", 5, 2, 3)
		wantCounts(t, client, "BAG", 4, 0, 0)
		_, err := s.Reserve(ctx, ask1("3", "ann", 2))
		wantCode(t, err, problem.LimitExceeded)
		got := mustReserve(t, s, Request{IdempotencyKey: "4", Customer: "bob", Lines: []Line{{"BAG", 1}}})
		if got.ExpiresAt.Sub(got.CreatedAt) != time.Hour {
			t.Fatalf("time to live %v", got.ExpiresAt.Sub(got.CreatedAt))
		}
		old := drop()
		wantCode(t, Arm(ctx, client, old, nil), problem.Conflict)
	})
}

func TestAnotherEpochDecidesNothing(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		told := make(chan struct{}, 1)
		s := open(t, client, rec, func(d *Deps) { d.Lost = func() { told <- struct{}{} } })
		r := mustReserve(t, s, ask1("1", "ann", 1))
		rec.Epoch = 2
		if err := Arm(ctx, client, rec, nil); err != nil {
			t.Fatal(err)
		}
		_, err := s.Reserve(ctx, ask1("2", "ann", 1))
		wantCode(t, err, problem.Unavailable)
		_, err = s.Confirm(ctx, confirmation(r.ID, "o", 1))
		wantCode(t, err, problem.Unavailable)
		wantCode(t, s.Release(ctx, r.ID), problem.Unavailable)
		_, err = s.Extend(ctx, r.ID)
		wantCode(t, err, problem.Unavailable)
		_, err = s.Settle(ctx, []Settlement{settlement(r)})
		wantCode(t, err, problem.Unavailable)
		wantCode(t, s.Allot(ctx, "SHOE", 20), problem.Unavailable)
		<-told
		if s.Snapshot().Epoch != 2 {
			t.Fatal("not refreshed")
		}
		s.Update(rec)
		mustConfirm(t, s, confirmation(r.ID, "o", 1))
		if again := mustReserve(t, s, ask1("1", "ann", 1)); again.ID != r.ID {
			t.Fatalf("the id changed with the epoch: %s, %s", again.ID, r.ID)
		}
		if made := mustReserve(t, s, ask1("2", "ann", 1)); made.Epoch != 2 {
			t.Fatalf("epoch %d", made.Epoch)
		}
		wantCounts(t, client, "SHOE", 8, 1, 1)
	})
}

func TestNothingIsDecidedBeforeTheStockIsReady(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		r := mustReserve(t, s, ask1("1", "ann", 1))
		flush(t, client)
		_, err := s.Reserve(ctx, ask1("2", "ann", 1))
		wantCode(t, err, problem.Unavailable)
		_, err = s.Get(ctx, r.ID)
		wantCode(t, err, problem.Unavailable)
		_, err = s.Confirm(ctx, confirmation(r.ID, "o", 1))
		wantCode(t, err, problem.Unavailable)
		wantCode(t, s.Release(ctx, r.ID), problem.Unavailable)
		if s.Refresh(ctx) != nil || s.Snapshot().Ready || s.SoldOut(r.Lines, "") {
			t.Fatal("an empty Redis passes for a stock")
		}
	})
}

func TestAllotMovesWhatIsAvailableOrRefuses(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		rec.Channels = map[string]int64{"app": 1, "web": 1}
		s := open(t, client, rec)
		mustReserve(t, s, ask1("1", "ann", 5))
		r := mustReserve(t, s, Request{IdempotencyKey: "2", Customer: "ann", Channel: "app", Lines: []Line{{"SHOE", 1}}})
		mustConfirm(t, s, confirmation(r.ID, "o", 1))
		wantCounts(t, client, "SHOE", 4, 5, 1)
		for range 2 {
			if err := s.Allot(ctx, "SHOE", 8); err != nil {
				t.Fatal(err)
			}
			wantCounts(t, client, "SHOE", 2, 5, 1) // app 3, web 5: web keeps what it holds
		}
		wantCode(t, s.Allot(ctx, "SHOE", 5), problem.StockConflict)
		if err := s.Allot(ctx, "SHOE", 6); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, client, "SHOE", 0, 5, 1)
		if err := s.Allot(ctx, "SHOE", 30); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, client, "SHOE", 24, 5, 1)
		wantCode(t, s.Allot(ctx, "SOCK", 5), problem.UnknownSKU)
		if s.Refresh(ctx) != nil || s.Snapshot().Channels["app"][0].Allocated != 15 {
			t.Fatalf("snapshot %+v", s.Snapshot())
		}
	})
}

func TestNewChannelsShareTheUnitsThatAreThere(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		s := open(t, client, rec)
		r := mustReserve(t, s, ask1("1", "ann", 3))
		rec.Channels, rec.Version = map[string]int64{"app": 1, "web": 1}, 2
		if err := Arm(ctx, client, rec, nil); err != nil {
			t.Fatal(err)
		}
		s.Update(rec)
		wantCounts(t, client, "SHOE", 7, 3, 0)
		if err := s.Release(ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		if err := s.Allot(ctx, "SHOE", 10); err != nil {
			t.Fatal(err)
		}
		if s.Refresh(ctx) != nil || s.Snapshot().Channels["app"][0].Available != 5 || s.Snapshot().Channels["web"][0].Available != 5 {
			t.Fatalf("snapshot %+v", s.Snapshot())
		}
		audited(t, client)
	})
}

func TestAStockIsRebuiltFromTheJournal(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx, journal := drop(), context.Background(), &book{}
		rec.Items[0].PerCustomer = 4
		rec.Durability = sale.Journaled
		s := open(t, client, rec, journal.keep)
		kept, freed := mustReserve(t, s, ask1("1", "ann", 1)), mustReserve(t, s, ask1("2", "ann", 1))
		drained, queued := mustReserve(t, s, ask1("3", "ann", 1)), mustReserve(t, s, ask1("4", "bob", 2))
		if s.Release(ctx, freed.ID) != nil {
			t.Fatal("release")
		}
		longer, err := s.Extend(ctx, kept.ID)
		if err != nil {
			t.Fatal(err)
		}
		mustConfirm(t, s, confirmation(drained.ID, "o1", 1))
		mustConfirm(t, s, confirmation(queued.ID, "o2", 1))
		flush(t, client)

		slices.Reverse(journal.records) // the order does not matter
		rest := Fold(slices.Values(append([][]byte{{'r', 9}, []byte("queue's"), nil}, journal.records...)))
		if rest.Live() != 3 || rest.Damaged != 2 {
			t.Fatalf("live %d damaged %d", rest.Live(), rest.Damaged)
		}
		rest.Ordered = func(id string) bool { return id == drained.ID || id == queued.ID }
		rest.Sold = []SoldUnits{{SKU: "SHOE", Units: 1}}
		rest.Bought = map[string]map[string]int64{CustomerKey("ann"): {"SHOE": 1}}
		rest.Orders = []RestoredOrder{{ReservationID: queued.ID, CustomerKey: CustomerKey("bob"), Lines: queued.Lines, OrderedAtMillis: 5}}
		rec.Epoch = 2
		if err := Arm(ctx, client, rec, rest); err != nil {
			t.Fatal(err)
		}
		s.Update(rec)
		wantCounts(t, client, "SHOE", 6, 1, 3)
		got, err := s.Get(ctx, kept.ID)
		if err != nil || !reflect.DeepEqual(got, longer) {
			t.Fatalf("kept %+v, %v; want %+v", got, err, longer)
		}
		_, err = s.Extend(ctx, kept.ID)
		wantCode(t, err, problem.ExtensionRefused)
		_, err = s.Reserve(ctx, ask1("5", "ann", 3))
		wantCode(t, err, problem.LimitExceeded)
		mustReserve(t, s, ask1("6", "ann", 2))
		_, err = s.Settle(ctx, []Settlement{settlement(queued)})
		if err != nil {
			t.Fatal(err)
		}
		mustConfirm(t, s, confirmation(kept.ID, "o3", 1))
		wantCounts(t, client, "SHOE", 4, 2, 4)
	})
}

func TestABeginningThatWasCutOffIsBegunAnew(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx, journal := drop(), context.Background(), &book{}
		rec.Durability = sale.Journaled
		s := open(t, client, rec, journal.keep)
		var ids []string
		for i := range 5 {
			ids = append(ids, mustReserve(t, s, ask1(fmt.Sprint(i), "ann", 1)).ID)
		}
		flush(t, client)
		first := arming{client: client, keys: s.keys, rec: rec, token: "first"}
		_, now, err := first.begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		b := rebuild(rec, Fold(slices.Values(journal.records)), now)
		if first.loadRecords(ctx, b.entries) != nil || first.loadFields(ctx, s.keys.customers, b.customerFields()) != nil {
			t.Fatal("load")
		}
		// The journal shrinks, so that what the first attempt left would show.
		if err := Arm(ctx, client, rec, Fold(slices.Values(journal.records[:2]))); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, client, "SHOE", 8, 2, 0)
		_, err = s.Get(ctx, ids[4])
		wantCode(t, err, problem.UnknownReservation)
		wantCode(t, first.loadFields(ctx, s.keys.stock, []string{"ready", "1"}), problem.Conflict)
	})
}

func TestArmWritesInBoundedParts(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx, journal := drop(), context.Background(), &book{}
		rec.Items[0].Stock = 5000
		rec.Durability = sale.Journaled
		s := open(t, client, rec, journal.keep)
		var wg sync.WaitGroup
		for i := range 4000 {
			wg.Go(func() { mustReserve(t, s, ask1(fmt.Sprint(i), fmt.Sprint(i), 1)) })
		}
		wg.Wait()
		flush(t, client)
		if err := Arm(ctx, client, rec, Fold(slices.Values(journal.records))); err != nil {
			t.Fatal(err)
		}
		if a := audited(t, client); a.Live != 4000 || a.Customers != 4000 {
			t.Fatalf("audit %+v", a)
		}
		if err := Disarm(ctx, client, rec.ID); err != nil {
			t.Fatal(err)
		}
		left, err := client.Do(ctx, client.B().Dbsize().Build()).AsInt64()
		if err != nil || left != 0 {
			t.Fatalf("%d keys left, %v", left, err)
		}
	})
}

func TestDurableIsJournaledBeforeTheAnswer(t *testing.T) {
	engines(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx, journal := drop(), context.Background(), &book{fail: errors.New("disk")}
		rec.Durability = sale.Durable
		s := open(t, client, rec, journal.keep)
		_, err := s.Reserve(ctx, ask1("1", "ann", 1))
		wantCode(t, err, problem.Unavailable)
		journal.fail = nil
		r := mustReserve(t, s, ask1("1", "ann", 1))
		if r.Durability != sale.Durable || len(journal.records) != 1 || Fold(slices.Values(journal.records)).Live() != 1 {
			t.Fatalf("journal has %d records", len(journal.records))
		}
		journal.fail = errors.New("disk")
		wantCode(t, s.Release(ctx, r.ID), problem.Unavailable)
		journal.fail = nil
		if err := s.Release(ctx, r.ID); err != nil || Fold(slices.Values(journal.records)).Live() != 0 {
			t.Fatalf("release: %v, journal has %d records", err, len(journal.records))
		}
		wantCounts(t, client, "SHOE", 10, 0, 0)
	})
}

func TestSoldUnitsOfUnknownChannelAreLaidWhereThereIsRoom(t *testing.T) {
	rec := drop()
	rec.Channels = map[string]int64{"app": 2, "web": 8}
	b := rebuild(rec, &Restored{Sold: []SoldUnits{{SKU: "SHOE", Units: 4}, {SKU: "SHOE", Channel: "app", Units: 1}}}, 0)
	app, web := b.pools["SHOE|app"], b.pools["SHOE|web"]
	if app.Sold != 2 || web.Sold != 3 || app.Available != 0 || web.Available != 5 {
		t.Fatalf("app %+v web %+v", app, web)
	}
}

func TestARequestWhoseReservationIsAnOrderCanBeRepeatedAfterARebuild(t *testing.T) {
	for _, durability := range []sale.Durability{sale.Journaled, sale.Durable} {
		t.Run(string(durability), func(t *testing.T) {
			engines(t, func(t *testing.T, client rueidis.Client) { repeatAfterRebuild(t, client, durability) })
		})
	}
}

func repeatAfterRebuild(t *testing.T, client rueidis.Client, durability sale.Durability) {
	t.Helper()
	rec, ctx, journal := drop(), context.Background(), &book{}
	rec.Durability = durability
	s := open(t, client, rec, journal.keep)
	asks := make([]Request, 3)
	made := make([]Reservation, len(asks))
	for i := range asks {
		asks[i] = Request{IdempotencyKey: fmt.Sprint(i), Customer: "ann", Lines: []Line{{"SHOE", 2}, {"HAT", 1}}}
		made[i] = mustReserve(t, s, asks[i])
	}
	longer, err := s.Extend(ctx, made[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	made[1] = longer
	for i, r := range made {
		mustConfirm(t, s, confirmation(r.ID, fmt.Sprint(i), 1))
	}
	flush(t, client)

	rest := Fold(slices.Values(journal.records))
	_, _, forgotten, err := ParseID(made[2].ID)
	if err != nil {
		t.Fatal(err)
	}
	delete(rest.live, forgotten) // the journal does not reach back that far
	for i, r := range made {
		o := RestoredOrder{ReservationID: r.ID, CustomerKey: r.Customer, Lines: r.Lines, OrderedAtMillis: 5}
		if i > 0 {
			o.CommittedAtMillis = 6
			rest.Sold = append(rest.Sold, SoldUnits{SKU: "SHOE", Units: 2}, SoldUnits{SKU: "HAT", Units: 1})
		}
		rest.Orders = append(rest.Orders, o)
	}
	rest.Bought = map[string]map[string]int64{CustomerKey("ann"): {"SHOE": 4, "HAT": 2}}
	rest.Ordered = func(id string) bool { return slices.ContainsFunc(made, func(r Reservation) bool { return r.ID == id }) }
	rec.Epoch = 2
	if err := Arm(ctx, client, rec, rest); err != nil {
		t.Fatal(err)
	}
	s.Update(rec)
	for i := range made[:2] {
		if again := mustReserve(t, s, asks[i]); !reflect.DeepEqual(again, made[i]) {
			t.Fatalf("again %+v, want %+v", again, made[i])
		}
		other := asks[i]
		other.Lines = []Line{{"SHOE", 1}}
		_, err := s.Reserve(ctx, other)
		wantCode(t, err, problem.IdempotencyMismatch)
		got, err := s.Get(ctx, made[i].ID)
		if err != nil || got.Status != StatusConfirmed || got.OrderedAt.UnixMilli() != 5 {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	if again := mustReserve(t, s, asks[2]); again.ID != made[2].ID || again.Status != StatusHeld {
		t.Fatalf("again %+v, want %+v", again, made[2])
	}
	wantCounts(t, client, "SHOE", 4, 0, 6)
	wantCounts(t, client, "HAT", 2, 0, 3)
}
