package queue

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// openToAll lets everybody in, without a line.
func openToAll(r *sale.Record) { r.Admission.Mode = sale.Open }

func TestPassesGivenBackTogetherAreOneStep(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx, journal := context.Background(), &memoryJournal{}
		r := openRoom(t, client, testSale(time.Now(), openToAll), journal)
		tickets := join(t, r, 5)
		for _, ticket := range tickets[:4] {
			mustClaim(t, r, ticket)
		}
		numbers := []Number{tickets[0].Number, tickets[4].Number, tickets[1].Number, tickets[0].Number}
		statuses, err := r.releaseAll(ctx, numbers)
		if err != nil || !slices.Equal(statuses, []string{"ok", "again", "ok", "again"}) {
			t.Fatalf("%v, %v", statuses, err)
		}
		other := openNode(t, client, testSale(time.Now(), openToAll), nil)
		if s := refresh(t, other); s.Active != 2 {
			t.Fatalf("%d passes are active", s.Active)
		}
		for i, gone := range []bool{true, true, false, false} {
			if got := other.Revoked(Pass{Ticket: tickets[i].Number}); got != gone {
				t.Errorf("ticket %d is revoked: %v", i, got)
			}
		}
		if kept := journal.fold(); len(kept.passes) != 2 {
			t.Errorf("%d passes are active by the journal", len(kept.passes))
		}
		journal.setFail(errors.New("disk"))
		if err := r.Release(ctx, Pass{Ticket: tickets[2].Number}); !errors.Is(err, problem.Unavailable) {
			t.Errorf("without the journal: %v", err)
		}
		if s := refresh(t, other); s.Active != 2 {
			t.Errorf("%d passes are active", s.Active)
		}
	})
}
