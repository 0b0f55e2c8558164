package ledger

import (
	"slices"
	"strconv"
	"sync"
	"testing"
)

func wish(saleID string, ticket int64, way, sealed string) Notification {
	return Notification{Sale: saleID, Ticket: ticket, Way: way, Receiver: "shop", Sealed: sealed}
}

// saved stores notifications and fails unless all of them were.
func saved(t *testing.T, l *Ledger, rows ...Notification) {
	t.Helper()
	kept, err := l.SaveNotifications(t.Context(), rows, 100)
	if err != nil || slices.Contains(kept, false) {
		t.Fatal(kept, err)
	}
}

func listed(t *testing.T, l *Ledger, after int64) (seqs, tickets []int64) {
	t.Helper()
	rows, err := l.NotificationsAfter(t.Context(), after, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Sealed != "" {
			t.Errorf("a listing has what is sealed: %+v", row)
		}
		seqs, tickets = append(seqs, row.Seq), append(tickets, row.Ticket)
	}
	return seqs, tickets
}

func TestATicketHasOneNotificationForEachWayAndTheLaterOneCounts(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		saved(t, l, wish("drop", 7, "push", "first"), wish("drop", 7, "email", "mail"))
		seqs, _ := listed(t, l, 0)
		saved(t, l, wish("drop", 7, "push", "second"))
		now, tickets := listed(t, l, 0)
		if len(seqs) != 2 || len(now) != 2 || now[0] != seqs[1] || now[1] <= seqs[1] || !slices.Equal(tickets, []int64{7, 7}) {
			t.Fatalf("seqs %v, then %v", seqs, now)
		}
		rows, err := l.NotificationsWith(t.Context(), append(seqs, now...))
		if err != nil || len(rows) != 2 || rows[0].Sealed != "mail" || rows[1].Sealed != "second" {
			t.Fatalf("%+v %v", rows, err)
		}
		// The first push was replaced: telling it has removed nothing.
		if err := l.DeleteNotifications(t.Context(), "drop", []int64{seqs[0]}); err != nil {
			t.Fatal(err)
		}
		if still, _ := listed(t, l, 0); !slices.Equal(still, now) {
			t.Fatalf("%v, want %v", still, now)
		}
	})
}

func TestASaleHasNoMoreNotificationsThanItMay(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		kept, err := l.SaveNotifications(t.Context(), []Notification{
			wish("drop", 1, "push", ""), wish("drop", 2, "push", ""), wish("drop", 3, "push", ""), wish("other", 1, "push", ""),
			wish("drop", 1, "push", "again"),
		}, 2)
		if err != nil || !slices.Equal(kept, []bool{true, true, false, true, true}) {
			t.Fatal(kept, err)
		}
		if err := l.ForgetNotifications(t.Context(), "drop", 2); err != nil {
			t.Fatal(err)
		}
		kept, err = l.SaveNotifications(t.Context(), []Notification{wish("drop", 3, "push", ""), wish("drop", 4, "push", "")}, 2)
		if err != nil || !slices.Equal(kept, []bool{true, false}) {
			t.Fatal(kept, err)
		}
	})
}

func TestNotificationsOfASaleGoWithItsEnd(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		saved(t, l, wish("drop", 1, "push", ""), wish("drop", 1, "email", ""), wish("other", 1, "push", ""))
		counts, err := l.CountNotifications(t.Context(), "drop")
		if err != nil || counts["push"] != 1 || counts["email"] != 1 {
			t.Fatal(counts, err)
		}
		if err := l.DropNotifications(t.Context(), "drop"); err != nil {
			t.Fatal(err)
		}
		if seqs, _ := listed(t, l, 0); len(seqs) != 1 {
			t.Fatalf("left: %v", seqs)
		}
		newSale(t, l, "other", 1, "A")
		if err := l.DeleteSale(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		if seqs, _ := listed(t, l, 0); len(seqs) != 0 {
			t.Fatalf("a sale that is gone has %v", seqs)
		}
	})
}

// TestAReaderWhoGoesOnFromTheLastNumberMissesNone has several nodes add, replace and remove at once while one reads.
func TestAReaderWhoGoesOnFromTheLastNumberMissesNone(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		const writers, each = 4, 25
		var writing sync.WaitGroup
		for w := range int64(writers) {
			writing.Go(func() {
				for i := range int64(each) {
					rows := []Notification{wish("drop", w*1000+i, "push", strconv.FormatInt(i, 10)), wish("sale-"+strconv.FormatInt(w, 10), i, "email", "")}
					if _, err := l.SaveNotifications(t.Context(), rows, 1000); err != nil {
						t.Error(err)
					}
					if err := l.ForgetNotifications(t.Context(), "sale-"+strconv.FormatInt(w, 10), i); err != nil {
						t.Error(err)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { writing.Wait(); close(done) }()
		seen, last := map[int64]bool{}, int64(0)
		for finished := false; !finished; {
			select {
			case <-done:
				finished = true // one more reading
			default:
			}
			rows, err := l.NotificationsAfter(t.Context(), last, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows {
				if last = row.Seq; row.Sale == "drop" {
					seen[row.Ticket] = true
				}
			}
		}
		if len(seen) != writers*each {
			t.Fatalf("%d of %d were read", len(seen), writers*each)
		}
	})
}
