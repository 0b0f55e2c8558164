package reservation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func TestACrowdNeverGetsMoreThanThereIs(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := drop()
		rec.Items[0].Stock = 100
		nodes := []*Stock{open(t, client, rec), open(t, client, rec), open(t, client, rec)}
		var won, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 3000 {
			wg.Go(func() {
				_, _, err := nodes[i%3].Reserve(context.Background(), ask1(fmt.Sprint(i), fmt.Sprint(i), 1))
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, problem.SoldOut):
					refused.Add(1)
				default:
					t.Errorf("reserve: %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 100 || refused.Load() != 2900 {
			t.Fatalf("%d won and %d were refused, of 3000 for 100 units", won.Load(), refused.Load())
		}
		wantCounts(t, client, "SHOE", 0, 100, 0)
	})
}

func TestLimitsHoldForACustomerWithManyTabs(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := drop()
		rec.Items[0].Stock, rec.Items[0].PerCustomer = 1000, 2
		nodes := []*Stock{open(t, client, rec), open(t, client, rec)}
		var wg sync.WaitGroup
		var won [50]atomic.Int64
		for i := range 1000 {
			wg.Go(func() {
				_, _, err := nodes[i%2].Reserve(context.Background(), ask1(fmt.Sprint(i), fmt.Sprint("c", i%50), 1))
				if err == nil {
					won[i%50].Add(1)
				} else if !errors.Is(err, problem.LimitExceeded) {
					t.Errorf("reserve: %v", err)
				}
			})
		}
		wg.Wait()
		for i := range won {
			if won[i].Load() != 2 {
				t.Fatalf("customer %d got %d", i, won[i].Load())
			}
		}
		wantCounts(t, client, "SHOE", 900, 100, 0)
	})
}

func TestOneKeyPressedManyTimesAtOnceIsOneReservation(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		nodes := []*Stock{open(t, client, drop()), open(t, client, drop())}
		var ids sync.Map
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() { ids.Store(mustReserve(t, nodes[i%2], ask1("same", "ann", 3)).ID, true) })
		}
		wg.Wait()
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		if n != 1 {
			t.Fatalf("%d reservations", n)
		}
		wantCounts(t, client, "SHOE", 7, 3, 0)
	})
}

func TestACrowdThatDoesEverythingAtOnceLeavesTheStockBalanced(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := short()
		rec.Reservation.TTL = drop().Reservation.TTL
		rec.Items = []sale.Item{{SKU: "A", Stock: 40}, {SKU: "B", Stock: 40, PerCustomer: 3}, {SKU: "C", Stock: 40}}
		rec.Channels = map[string]int64{"web": 3, "app": 1}
		nodes := []*Stock{open(t, client, rec), open(t, client, rec)}
		var confirmed atomic.Int64
		var wg sync.WaitGroup
		for i := range 2000 {
			wg.Go(func() {
				if n, err := visit(nodes[i%2], i); err != nil {
					t.Error(err)
				} else {
					confirmed.Add(n)
				}
			})
		}
		wg.Wait()
		a := audited(t, client)
		var sold int64
		for _, item := range a.Items {
			sold += item.Sold
		}
		if sold != confirmed.Load() || sold == 0 {
			t.Fatalf("sold %d, confirmed %d", sold, confirmed.Load())
		}
	})
}

// visit is one buyer, who reserves some items, and orders them, gives them back or goes away. It
// returns the units ordered.
func visit(s *Stock, i int) (int64, error) {
	ctx := context.Background()
	rng := rand.New(rand.NewPCG(7, uint64(i)))
	req := Request{IdempotencyKey: fmt.Sprint(i), Customer: fmt.Sprint("c", i%200), Channel: []string{"", "app"}[rng.IntN(2)]}
	for _, sku := range []string{"A", "B", "C"}[rng.IntN(3):] {
		req.Lines = append(req.Lines, Line{sku, 1 + rng.Int64N(2)})
	}
	r, _, err := s.Reserve(ctx, req)
	if errors.Is(err, problem.SoldOut) || errors.Is(err, problem.LimitExceeded) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	switch rng.IntN(3) {
	case 0:
		return 0, release(ctx, s, r.ID, proved)
	case 1:
		if _, err := s.Confirm(ctx, confirmation(r.ID, r.ID, 1)); err != nil {
			return 0, err
		}
		var units int64
		for _, line := range r.Lines {
			units += line.Quantity
		}
		return units, s.Published(ctx, s.Epoch(), []string{r.ID})
	}
	return 0, nil
}

func TestMoreThanMayWaitAreRefusedAsOverloaded(t *testing.T) {
	server := testenv.Redis(t)
	s := open(t, testenv.ConnectRedis(t, server.URL), drop(), func(d *Deps) { d.MaxWaiting = 4 })
	if err := server.Pause(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var refused, served atomic.Int64
	for i := range 300 {
		wg.Go(func() {
			_, _, err := s.Reserve(context.Background(), ask1("same", "ann", 1))
			switch doc, _ := problem.Of(err); {
			case err == nil:
				served.Add(1)
			case doc.Code != problem.Overloaded || doc.RetryAfterSeconds != 1:
				t.Errorf("%d: %v, retry after %d", i, err, doc.RetryAfterSeconds)
			default:
				refused.Add(1)
			}
		})
	}
	testenv.Eventually(t, 5*time.Second, "the refusals", func() bool { return refused.Load() >= 300-256-4 })
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if served.Load() == 0 || served.Load()+refused.Load() != 300 {
		t.Fatalf("%d served, %d refused", served.Load(), refused.Load())
	}
}
