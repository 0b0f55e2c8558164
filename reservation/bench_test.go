package reservation

import (
	"context"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// The benchmarks tell, beside the time of one reservation, the CPU of all processes for it.
//
//	go test ./reservation -run '^$' -bench Reserve -benchtime 200000x

func benchStock(b *testing.B, url string) *Stock {
	rec := drop()
	rec.Items[0].Stock, rec.Items[0].PerCustomer = int64(b.N)+10, 2
	rec.Reservation.TTL = sale.Duration(time.Hour)
	return open(b, testenv.ConnectRedis(b, url), rec)
}

// measure runs one call a goroutine step, and reports CPU-µs of this process and of the given ones.
func measure(b *testing.B, workers int, pids []int, call func(i int) error) {
	pids = append(pids, os.Getpid())
	before, err := testenv.CPUTime(pids...)
	if err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range workers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := call(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after, err := testenv.CPUTime(pids...)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((after-before).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "op/s")
}

func BenchmarkReserveCombined(b *testing.B) {
	for _, workers := range []int{1, 64, 512} {
		b.Run(strconv.Itoa(workers), func(b *testing.B) {
			server := testenv.Redis(b)
			s := benchStock(b, server.URL)
			measure(b, workers, []int{server.PID()}, func(i int) error {
				key := strconv.Itoa(i)
				_, _, err := s.Reserve(context.Background(), ask1(key, key, 1))
				return err
			})
		})
	}
}

// BenchmarkReserveSingle sends each request in a script call of its own.
func BenchmarkReserveSingle(b *testing.B) {
	server := testenv.Redis(b)
	s := benchStock(b, server.URL)
	measure(b, 512, []int{server.PID()}, func(i int) error {
		key := strconv.Itoa(i)
		req := ask1(key, key, 1)
		one, err := s.prepare(&req)
		if err != nil {
			return err
		}
		one.identify(&req)
		out, err := s.runReserve(context.Background(), []*ask{one})
		if err != nil {
			return err
		}
		return out[0].err
	})
}

func BenchmarkReserveEmbedded(b *testing.B) {
	s := benchStock(b, testenv.MiniURL(b))
	measure(b, 512, nil, func(i int) error {
		key := strconv.Itoa(i)
		_, _, err := s.Reserve(context.Background(), ask1(key, key, 1))
		return err
	})
}

func BenchmarkReserveAndConfirm(b *testing.B) {
	server := testenv.Redis(b)
	s := benchStock(b, server.URL)
	order := make([]byte, 400)
	measure(b, 512, []int{server.PID()}, func(i int) error {
		key := strconv.Itoa(i)
		r, _, err := s.Reserve(context.Background(), ask1(key, key, 1))
		if err != nil {
			return err
		}
		if _, err := s.Confirm(context.Background(), Confirmation{By: proved, ReservationID: r.ID, IdempotencyKey: key, Order: order}); err != nil {
			return err
		}
		return s.Published(context.Background(), s.Epoch(), []string{r.ID})
	})
}

// BenchmarkRefusedSoldOut is what most of a crowd meets.
func BenchmarkRefusedSoldOut(b *testing.B) {
	server := testenv.Redis(b)
	rec := drop()
	rec.Items[0].Stock = 0
	s := open(b, testenv.ConnectRedis(b, server.URL), rec)
	measure(b, 512, []int{server.PID()}, func(i int) error {
		if i%1000 == 0 {
			if err := s.Refresh(context.Background()); err != nil {
				return err
			}
		}
		key := strconv.Itoa(i)
		if _, _, err := s.Reserve(context.Background(), ask1(key, key, 1)); err == nil {
			b.Error("reserved")
		}
		return nil
	})
}
