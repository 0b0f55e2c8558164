package queue

import (
	"context"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func benchEachEngine(b *testing.B, bench func(b *testing.B, client rueidis.Client)) {
	b.Run("embedded", func(b *testing.B) { bench(b, testenv.ConnectRedis(b, testenv.MiniURL(b))) })
	b.Run("real", func(b *testing.B) { bench(b, testenv.ConnectRedis(b, testenv.Redis(b).URL)) })
}

func BenchmarkJoin(b *testing.B) {
	benchEachEngine(b, func(b *testing.B, client rueidis.Client) {
		r := openRoom(b, client, testSale(time.Now()), nil)
		r.deps.MaxWaitingTickets = maxNumber
		b.SetParallelism(64)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := r.Join(context.Background()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}

func BenchmarkClaim(b *testing.B) {
	benchEachEngine(b, func(b *testing.B, client rueidis.Client) {
		r := openRoom(b, client, testSale(time.Now(), func(r *sale.Record) {
			r.Admission.MaxActive, r.Admission.RatePerMinute = sale.MaxActive, sale.MaxRatePerMinute
		}), nil)
		tickets := join(b, r, min(b.N, 10_000))
		callUpTo(b, r, uint64(len(tickets)))
		b.ResetTimer()
		for i := range b.N {
			if _, _, _, err := r.Claim(context.Background(), tickets[i%len(tickets)]); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRefresh(b *testing.B) {
	benchEachEngine(b, func(b *testing.B, client rueidis.Client) {
		r := openRoom(b, client, testSale(time.Now()), nil)
		tickets := join(b, r, 500)
		callUpTo(b, r, 500)
		for _, ticket := range tickets[:400] {
			mustClaim(b, r, ticket)
		}
		for b.Loop() {
			refresh(b, r)
		}
	})
}
