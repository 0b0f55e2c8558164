// Package orderlog gives tests of the packages above checkout an order log of their own. It is apart
// from testenv because the tests of checkout use testenv.
package orderlog

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/embedded"
)

// Broker starts the in-process NATS that the embedded mode uses, and connects to it. Both end with the
// test.
func Broker(t testing.TB, log *slog.Logger) *checkout.Broker {
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
