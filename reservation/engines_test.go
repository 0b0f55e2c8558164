package reservation

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
)

// drop is a live sale with two items and no limits.
func drop() sale.Record {
	now := time.Now()
	return sale.Record{
		Sale: sale.Sale{
			ID: "drop", Name: "Drop", StartsAt: now.Add(-time.Hour), EndsAt: now.Add(time.Hour),
			Reservation: sale.Terms{TTL: sale.Duration(time.Minute), MaxExtensions: 1},
			Items:       []sale.Item{{SKU: "SHOE", Stock: 10}, {SKU: "HAT", Stock: 5}},
			Durability:  sale.Memory,
		},
		Version: 1, Epoch: 1,
	}
}

// proved is the proof of who may dispose of any reservation.
var proved = Proof{Proved: true}

// testTerm is the term of the one leader that most tests know.
const testTerm = 7

// arm puts a sale into Redis, or brings its new version to a stock that is ready.
func arm(t testing.TB, client rueidis.Client, rec sale.Record) {
	t.Helper()
	ctx := context.Background()
	err := Update(ctx, client, rec, testTerm)
	if errors.Is(err, problem.Unavailable) {
		err = rebuild(ctx, client, rec, nil, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// rebuild arms a sale with what the ledger, the order log and the journal know of it.
func rebuild(ctx context.Context, client rueidis.Client, rec sale.Record, orders []RestoredOrder, from *Folded) error {
	a, err := Begin(ctx, client, rec, testTerm)
	if err != nil {
		return err
	}
	if err := a.Orders(ctx, orders); err != nil {
		return err
	}
	return a.Finish(ctx, from)
}

func folded(records ...[]byte) *Folded {
	var f Folder
	for _, data := range records {
		f.Add(data)
	}
	return f.Folded()
}

func open(t testing.TB, client rueidis.Client, rec sale.Record, change ...func(*Deps)) *Stock {
	t.Helper()
	d := Deps{Redis: client, Secret: []byte("0123456789abcdef0123456789abcdef"), GateKey: redis.Key(rec.ID, "gate")}
	for _, f := range change {
		f(&d)
	}
	arm(t, client, rec)
	s := OpenStock(d, rec)
	t.Cleanup(s.Close)
	return s
}
