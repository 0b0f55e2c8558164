package checkout

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
)

// BenchmarkDurableOrders: orders a second that are fsynced before they are acknowledged, by 256
// shoppers at a time. Run with -benchtime 3s.
func BenchmarkDurableOrders(b *testing.B) {
	engines := []struct {
		name string
		open func(b *testing.B) *Broker
	}{
		{"real", func(b *testing.B) *Broker { return startServer(b).broker(b) }},
		{"embedded", func(b *testing.B) *Broker { return onEmbedded(b, startEmbedded(b, b.TempDir())) }},
	}
	record := recordOf(b, withDocument(orderNumber(1)))
	for _, engine := range engines {
		b.Run(engine.name+"/one-by-one", func(b *testing.B) {
			broker := engine.open(b)
			shoppers(b, func() error {
				_, err := broker.js.PublishMsg(context.Background(), &nats.Msg{Subject: orderSubject + "1", Data: record})
				return err
			})
		})
		for _, inFlight := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("%s/grouped-%d-in-flight", engine.name, inFlight), func(b *testing.B) {
				l := orderLog(b, engine.open(b), LogOptions{MaxInFlight: inFlight})
				shoppers(b, func() error { return l.Append(context.Background(), record) })
			})
		}
	}
}

func withDocument(o Order) Order {
	o.CustomerDoc = []byte(`{"name":"` + strings.Repeat("n", 300) + `"}`)
	return o
}

// shoppers lets 256 goroutines order b.N times in all.
func shoppers(b *testing.B, order func() error) {
	var all sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	for range 256 {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := order(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}

// BenchmarkDrain: how fast a backlog of one order a message leaves the log, with a ledger that
// takes no time.
func BenchmarkDrain(b *testing.B) {
	broker := onEmbedded(b, startEmbedded(b, b.TempDir()))
	l := orderLog(b, broker, LogOptions{})
	messages := make([]*nats.Msg, 0, 500)
	for from := 0; from < b.N; from += 500 {
		messages = messages[:0]
		for n := from; n < min(from+500, b.N); n++ {
			one, _ := l.group([][]byte{recordOf(b, orderNumber(n))})
			messages = append(messages, one...)
		}
		for _, err := range publishAll(context.Background(), broker.js, messages) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ResetTimer()
	var done atomic.Int64
	all := make(chan struct{})
	deps := newBooks().deps()
	deps.Commit = func(_ context.Context, orders []Order) (CommitResult, error) {
		if done.Add(int64(len(orders))) >= int64(b.N) {
			select {
			case <-all:
			default:
				close(all)
			}
		}
		return CommitResult{}, nil
	}
	startDrain(b, broker, deps)
	<-all
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}
