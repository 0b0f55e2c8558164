//go:build faults

package main

import (
	"log/slog"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/queue"
)

// readAccount is what the journal tells of the line of a sale.
func readAccount(t testing.TB, natsURL, saleID string) queue.Account {
	t.Helper()
	broker, err := checkout.Connect(t.Context(), natsURL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = broker.Close(t.Context()) }()
	reading := queue.NewAccounting(saleID, 0)
	for record, err := range broker.Journal().Replay(t.Context(), saleID, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		reading.Add(record)
	}
	return reading.Account()
}

// wantLimitsKept fails the test unless everybody was admitted in turn, once, and within the limits.
func wantLimitsKept(t testing.TB, account queue.Account) {
	t.Helper()
	if account.Inversions > 0 || account.TwoPasses > 0 || account.KeyDuplicates > 0 || account.Unread > 0 {
		t.Errorf("%d inversions, %d second passes, %d second places, %d records that cannot be read",
			account.Inversions, account.TwoPasses, account.KeyDuplicates, account.Unread)
	}
	if account.Minute.Over > 0 || account.Active.Over > 0 || account.Minute.Unlimited > 0 || account.Late > 0 {
		t.Errorf("a limit was not kept: in 60 s %+v, active %+v, %d too late to tell", account.Minute, account.Active, account.Late)
	}
}
