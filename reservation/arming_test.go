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
	"github.com/penstock/penstock/internal/testenv"
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

// restoredOrder is what ledger and log say of a reservation that was ordered.
func restoredOrder(r Reservation, committedAtMillis int64) RestoredOrder {
	return RestoredOrder{ReservationID: r.ID, CustomerKey: r.Customer, Channel: r.Channel, Lines: r.Lines, OrderedAtMillis: 5, CommittedAtMillis: committedAtMillis}
}

func TestAStockIsRebuiltFromTheJournal(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx, journal := drop(), context.Background(), &book{}
		rec.Items[0].PerCustomer = 4
		rec.Durability = sale.Journaled
		s := open(t, client, rec, journal.keep)
		kept, freed := mustReserve(t, s, ask1("1", "ann", 1)), mustReserve(t, s, ask1("2", "ann", 1))
		drained, queued := mustReserve(t, s, ask1("3", "ann", 1)), mustReserve(t, s, ask1("4", "bob", 2))
		if release(ctx, s, freed.ID, proved) != nil {
			t.Fatal("release")
		}
		longer, err := s.Extend(ctx, kept.ID, proved)
		if err != nil {
			t.Fatal(err)
		}
		mustConfirm(t, s, confirmation(drained.ID, "o1", 1))
		mustConfirm(t, s, confirmation(queued.ID, "o2", 1))
		flush(t, client)

		slices.Reverse(journal.records) // the order does not matter
		rest := folded(append([][]byte{{'r', 9}, []byte("queue's"), nil}, journal.records...)...)
		if rest.Live() != 3 || rest.Damaged != 2 {
			t.Fatalf("live %d damaged %d", rest.Live(), rest.Damaged)
		}
		orders := []RestoredOrder{restoredOrder(drained, 6), restoredOrder(queued, 0), restoredOrder(drained, 6), restoredOrder(drained, 0)}
		rec.Epoch = 2
		if err := rebuild(ctx, client, rec, orders, rest); err != nil {
			t.Fatal(err)
		}
		s.Update(rec)
		wantCounts(t, client, "SHOE", 6, 1, 3)
		got, err := s.Get(ctx, kept.ID)
		if err != nil || !reflect.DeepEqual(got, longer) {
			t.Fatalf("kept %+v, %v; want %+v", got, err, longer)
		}
		_, err = s.Extend(ctx, kept.ID, proved)
		wantCode(t, err, problem.ExtensionRefused)
		_, _, err = s.Reserve(ctx, ask1("5", "ann", 3))
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

func TestDurableIsJournaledBeforeTheAnswer(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx, journal := drop(), context.Background(), &book{fail: errors.New("disk")}
		rec.Durability = sale.Durable
		s := open(t, client, rec, journal.keep)
		_, _, err := s.Reserve(ctx, ask1("1", "ann", 1))
		wantCode(t, err, problem.Unavailable)
		journal.fail = nil
		r := mustReserve(t, s, ask1("1", "ann", 1))
		if r.Durability != sale.Durable || len(journal.records) != 1 || folded(journal.records...).Live() != 1 {
			t.Fatalf("journal has %d records", len(journal.records))
		}
		journal.fail = errors.New("disk")
		wantCode(t, release(ctx, s, r.ID, proved), problem.Unavailable)
		journal.fail = nil
		if err := release(ctx, s, r.ID, proved); err != nil || folded(journal.records...).Live() != 0 {
			t.Fatalf("release: %v, journal has %d records", err, len(journal.records))
		}
		wantCounts(t, client, "SHOE", 10, 0, 0)
	})
}

func TestARequestWhoseReservationIsAnOrderCanBeRepeatedAfterARebuild(t *testing.T) {
	for _, durability := range []sale.Durability{sale.Journaled, sale.Durable} {
		t.Run(string(durability), func(t *testing.T) {
			testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) { repeatAfterRebuild(t, client, durability) })
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
	longer, err := s.Extend(ctx, made[1].ID, proved)
	if err != nil {
		t.Fatal(err)
	}
	made[1] = longer
	for i, r := range made {
		mustConfirm(t, s, confirmation(r.ID, fmt.Sprint(i), 1))
	}
	flush(t, client)

	rest := folded(journal.records...)
	_, _, forgotten, err := ParseID(made[2].ID)
	if err != nil {
		t.Fatal(err)
	}
	delete(rest.all, coreKey(forgotten)) // the journal does not reach back that far
	orders := []RestoredOrder{restoredOrder(made[0], 0), restoredOrder(made[1], 6), restoredOrder(made[2], 6)}
	rec.Epoch = 2
	if err := rebuild(ctx, client, rec, orders, rest); err != nil {
		t.Fatal(err)
	}
	s.Update(rec)
	for i := range made[:2] {
		if again := mustReserve(t, s, asks[i]); !reflect.DeepEqual(again, made[i]) {
			t.Fatalf("again %+v, want %+v", again, made[i])
		}
		other := asks[i]
		other.Lines = []Line{{"SHOE", 1}}
		_, _, err := s.Reserve(ctx, other)
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

func TestAnArmingThatWasCutOffIsBegunAnew(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx, journal := drop(), context.Background(), &book{}
		rec.Durability = sale.Journaled
		s := open(t, client, rec, journal.keep)
		var made []Reservation
		for i := range 6 {
			made = append(made, mustReserve(t, s, ask1(fmt.Sprint(i), "ann", 1)))
		}
		flush(t, client)
		first, err := Begin(ctx, client, rec, testTerm)
		if err != nil {
			t.Fatal(err)
		}
		if first.Orders(ctx, []RestoredOrder{restoredOrder(made[5], 0)}) != nil || first.addFolded(ctx, folded(journal.records...)) != nil {
			t.Fatal("the first arming")
		}
		_, _, err = s.Reserve(ctx, ask1("new", "ann", 1))
		wantCode(t, err, problem.Unavailable)
		// The journal shrinks, so that what the first arming left would show.
		if err := rebuild(ctx, client, rec, nil, folded(journal.records[:2]...)); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, client, "SHOE", 8, 2, 0)
		_, err = s.Get(ctx, made[4].ID)
		wantCode(t, err, problem.UnknownReservation)
		wantCode(t, first.Finish(ctx, nil), problem.Conflict)
	})
}

func TestARestartWhileAStockIsArmedEndsTheArming(t *testing.T) {
	server := testenv.Redis(t, testenv.AppendFsync("always"))
	ctx := context.Background()
	a, err := Begin(ctx, testenv.ConnectRedis(t, server.URL), drop(), testTerm)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	client := testenv.ConnectRedis(t, server.URL)
	a.client = client
	order := RestoredOrder{ReservationID: makeID("drop", 1, "AAAAAAAAAAAAAAAAAAAAAA"), CustomerKey: CustomerKey("ann"), Lines: []Line{{"SHOE", 1}}}
	wantCode(t, a.Orders(ctx, []RestoredOrder{order}), problem.Unavailable)
	wantCode(t, a.Finish(ctx, nil), problem.Unavailable)
	if err := rebuild(ctx, client, drop(), nil, nil); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, client, "SHOE", 10, 0, 0)
}

func TestAStockIsArmedInBoundedParts(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		rec.Items[0].Stock = 5000
		maker := newCoreMaker([]byte("secret"))
		var orders []RestoredOrder
		var f Folder
		for i := range 4000 {
			core, customer := maker.core("drop", "", fmt.Sprint(i)), CustomerKey(fmt.Sprint(i))
			if i%2 == 0 {
				orders = append(orders, RestoredOrder{ReservationID: makeID("drop", 1, core), CustomerKey: customer, Lines: []Line{{"SHOE", 1}}, OrderedAtMillis: 5})
				continue
			}
			r := record{status: letterHeld, epoch: 1, created: 1, expires: time.Now().Add(time.Hour).UnixMilli(), durability: 'j',
				customer: customer, channel: nothing, payload: hashText("p"), lines: "SHOE=1"}
			data, err := encodeJournal(kindHeld, core, &r)
			if err != nil {
				t.Fatal(err)
			}
			f.Add(data)
		}
		if err := rebuild(ctx, client, rec, orders, f.Folded()); err != nil {
			t.Fatal(err)
		}
		if a := audited(t, client); a.Live != 2000 || a.Orders != 2000 || a.Customers != 4000 {
			t.Fatalf("audit %+v", a)
		}
		wantCounts(t, client, "SHOE", 1000, 2000, 2000)
		if err := Wipe(ctx, client, rec.ID, testTerm); err != nil {
			t.Fatal(err)
		}
		if left := keysLeft(t, client); len(left) != 1 {
			t.Fatalf("%d keys left", len(left))
		}
	})
}

func TestSoldUnitsOfAnUnknownChannelAreCountedWhereThereIsRoom(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		rec.Channels = map[string]int64{"app": 2, "web": 8}
		maker := newCoreMaker([]byte("secret"))
		var orders []RestoredOrder
		for i, channel := range []string{"", "", "app", "gone"} {
			orders = append(orders, RestoredOrder{ReservationID: makeID("drop", 1, maker.core("drop", "", fmt.Sprint(i))), CustomerKey: CustomerKey("ann"),
				Channel: channel, Lines: []Line{{"SHOE", int64(1 + i%2)}}, OrderedAtMillis: 5, CommittedAtMillis: 6})
		}
		if err := rebuild(ctx, client, rec, orders, nil); err != nil {
			t.Fatal(err)
		}
		s := open(t, client, rec)
		if err := s.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		app, web := s.Snapshot().Channels["app"][0], s.Snapshot().Channels["web"][0]
		if app.Sold != 2 || web.Sold != 4 || app.Available != 0 || web.Available != 4 {
			t.Fatalf("app %+v web %+v", app, web)
		}
		wantCounts(t, client, "SHOE", 4, 0, 6)
	})
}

func TestUnitsOfAnItemThatIsGoneStayInView(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		order := RestoredOrder{ReservationID: makeID("drop", 1, "AAAAAAAAAAAAAAAAAAAAAA"), CustomerKey: CustomerKey("ann"), Lines: []Line{{"GLOVE", 2}}}
		if err := rebuild(context.Background(), client, drop(), []RestoredOrder{order}, nil); err != nil {
			t.Fatal(err)
		}
		a, err := Audit(context.Background(), client, "drop")
		if err != nil || len(a.Items) != 3 || a.Items[0].SKU != "GLOVE" || a.Items[0].Sold != 2 {
			t.Fatalf("audit %+v, %v", a, err)
		}
	})
}

func TestAnOrderOfAnotherSaleStopsTheArming(t *testing.T) {
	client := testenv.ConnectRedis(t, testenv.MiniURL(t))
	a, err := Begin(context.Background(), client, drop(), testTerm)
	if err != nil {
		t.Fatal(err)
	}
	order := RestoredOrder{ReservationID: makeID("other", 1, "AAAAAAAAAAAAAAAAAAAAAA"), Lines: []Line{{"SHOE", 1}}}
	wantCode(t, a.Orders(context.Background(), []RestoredOrder{order}), problem.UnknownReservation)
}
