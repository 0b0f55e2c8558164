package reservation

import (
	"context"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func connect(t testing.TB, url string) rueidis.Client {
	t.Helper()
	client, err := redis.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// engines runs a test on the embedded and on the real engine.
func engines(t *testing.T, test func(t *testing.T, client rueidis.Client)) {
	t.Run("embedded", func(t *testing.T) {
		test(t, connect(t, "redis://"+testenv.Mini(t).Addr()))
	})
	t.Run("real", func(t *testing.T) { test(t, connect(t, testenv.Redis(t).URL)) })
}

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

func open(t testing.TB, client rueidis.Client, rec sale.Record, change ...func(*Deps)) *Stock {
	t.Helper()
	d := Deps{Redis: client, Secret: []byte("0123456789abcdef0123456789abcdef"), GateKey: redis.Key(rec.ID, "gate")}
	for _, f := range change {
		f(&d)
	}
	if err := Arm(context.Background(), client, rec, nil); err != nil {
		t.Fatal(err)
	}
	s := OpenStock(d, rec)
	t.Cleanup(s.Close)
	return s
}
