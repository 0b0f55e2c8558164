package console

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/embedded"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/verify"
	"github.com/penstock/penstock/reservation"
)

// newBroker starts an order log of the test's own.
func newBroker(t *testing.T, log *slog.Logger) *checkout.Broker {
	t.Helper()
	server, err := embedded.StartNATS(t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	broker, err := checkout.ConnectTo(t.Context(), conn, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = broker.Close(ctx)
	})
	return broker
}

// newKeeper joins the real parts; its loop does not run, as nothing is lost here.
func newKeeper(t *testing.T, books *ledger.Ledger, client rueidis.Client, board *degrade.Board, log *slog.Logger) *keeper.Keeper {
	t.Helper()
	broker := newBroker(t, log)
	return keeper.New(keeper.Deps{
		Ledger: books, Redis: client, Broker: broker, Journal: broker.Journal(), Board: board, NodeID: "test", Log: log,
		OpenStock: func(rec sale.Record) *reservation.Stock {
			return reservation.OpenStock(reservation.Deps{
				Redis: client, Secret: []byte("0123456789abcdef0123456789abcdef"), Log: log,
			}, rec)
		},
	})
}
