package salecache

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// TestSalesAreLookedAtAtOnceWhenTheListWasLost has the list lost and completed again between two
// looks of a node, which thus never sees it incomplete.
func TestSalesAreLookedAtAtOnceWhenTheListWasLost(t *testing.T) {
	ctx := context.Background()
	client := testenv.ConnectRedis(t, testenv.Redis(t).URL)
	index := saleindex.New(client)
	c := New(Deps{
		Index: index, Log: slog.New(slog.DiscardHandler),
		OpenRoom: func(rec sale.Record, lost func()) *queue.Room {
			return queue.OpenRoom(queue.Deps{Redis: client, Lost: lost}, rec)
		},
		OpenStock: func(rec sale.Record, _ string, lost func()) *reservation.Stock {
			return reservation.OpenStock(reservation.Deps{Redis: client, Lost: lost}, rec)
		},
	})
	look := func() (refreshes bool) {
		t.Helper()
		if err := c.look(ctx); err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.Get("drop").wake:
			return true
		default:
			return false
		}
	}
	list := func() {
		t.Helper()
		rec := sale.Record{Sale: sale.Sale{ID: "drop", Name: "drop"}, Version: 1, Epoch: 1, CreatedAt: time.UnixMilli(1000).UTC()}
		if err := index.Publish(ctx, rec); err != nil {
			t.Fatal(err)
		}
		if err := index.MarkComplete(ctx); err != nil {
			t.Fatal(err)
		}
	}
	list()
	for range 2 {
		if look() {
			t.Fatal("the sale is refreshed although nothing has happened")
		}
	}
	if err := client.Do(ctx, client.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	list()
	if !look() {
		t.Fatal("the sale is not refreshed: this node takes the view of before for good")
	}
}
