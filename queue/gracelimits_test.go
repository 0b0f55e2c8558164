package queue

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// TestThreeGatesKeepTheLimitsWithLateVisitors has everybody claim at three nodes again and again, in time and late, while
// another leader takes over.
func TestThreeGatesKeepTheLimitsWithLateVisitors(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec := testSale(time.Now(), func(r *sale.Record) {
			r.Admission.MaxActive, r.Admission.RatePerMinute = 6, 6000
			r.Admission.ClaimWindow, r.Admission.PassTTL = sale.Duration(time.Second), sale.Duration(time.Second)
		})
		nodes := []*Room{openRoom(t, client, rec, nil), openNode(t, client, rec, nil), openNode(t, client, rec, nil)}
		tickets := join(t, nodes[0], 60)
		var all sync.WaitGroup
		var admitted, late atomic.Int64
		var enough atomic.Bool
		for i, node := range nodes {
			all.Go(func() {
				for pick := i; !enough.Load(); pick += 7 {
					if err := node.Refresh(ctx); err != nil {
						t.Error(err)
					}
					ticket := tickets[pick%len(tickets)]
					// Every third comes late only.
					before := node.Look(ticket, sale.PhaseLive, false)
					if before.State != Missed && ticket.Number%3 == 0 {
						continue
					}
					if _, _, again, err := node.ClaimLate(ctx, ticket, plenty); err == nil && !again {
						admitted.Add(1)
						if before.State == Missed {
							late.Add(1)
						}
					}
				}
			})
		}
		for tick := 0; tick < 400 && (tick < 30 || late.Load() < 3); tick++ {
			leader, term := nodes[0], int64(testTerm)
			if tick > 20 {
				leader, term = nodes[1], testTerm+1
			}
			if err := leader.Advance(ctx, term, plenty); err != nil {
				t.Error(err)
			}
			<-time.After(50 * time.Millisecond)
		}
		enough.Store(true)
		all.Wait()
		stats, err := Stats(ctx, client, rec.ID)
		if err != nil || !stats.WithinLimits() || stats.PeakActive > 6 {
			t.Fatalf("%+v, %v", stats, err)
		}
		if admitted.Load() == 0 || late.Load() == 0 {
			t.Fatalf("%d were admitted, %d of them late", admitted.Load(), late.Load())
		}
		t.Logf("%d were admitted, %d of them late", admitted.Load(), late.Load())
	})
}
