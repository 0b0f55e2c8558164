package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/penstock/penstock/internal/testenv"
)

func TestOrdersThatComeTogetherTravelTogether(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		m := NewMetrics(nil)
		b := open(WithMetrics(m))
		l := orderLog(t, b, LogOptions{})
		const orders = 2000
		appendOrders(t, l, 0, orders)
		info, err := b.orders.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Msgs > orders/10 || info.State.Msgs == 0 {
			t.Errorf("%d orders went in %d messages", orders, info.State.Msgs)
		}
		if got := testutil.ToFloat64(m.ordersAppended); got != orders {
			t.Errorf("counted %v orders", got)
		}
		lag, err := b.Lag(t.Context())
		if err != nil || lag.Pending != orders || lag.Messages != int(info.State.Msgs) {
			t.Fatalf("lag %+v, %v; want %d orders in %d messages", lag, err, orders, info.State.Msgs)
		}

		k := newBooks()
		startDrain(t, b, k.deps())
		drained(t, b, 20*time.Second)
		if c, s, d := k.counts(); c != orders || s != orders || d != 0 {
			t.Fatalf("%d committed, %d settled, %d dead letters", c, s, d)
		}
		if k.twice != 0 || k.orders["rsv_7"].Lines[0] != orderNumber(7).Lines[0] {
			t.Errorf("%d came twice; order 7 is %+v", k.twice, k.orders["rsv_7"])
		}
		eventually(t, 5*time.Second, "the stream is trimmed", func() bool {
			info, err := b.orders.Info(context.Background())
			return err == nil && info.State.Msgs == 0
		})
	})
}

func TestALoneOrderIsNotHeldBack(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{})
		for n := range 5 {
			appendOrders(t, l, n, n+1)
		}
		lag, err := b.Lag(t.Context())
		if err != nil || lag.Pending != 5 || lag.Messages != 5 || lag.OldestSeconds < 0 || lag.OldestSeconds > 60 {
			t.Fatalf("lag %+v, %v", lag, err)
		}
		eventually(t, 5*time.Second, "the oldest grows older", func() bool {
			lag, err := b.Lag(context.Background())
			return err == nil && lag.OldestSeconds > 0.2
		})
	})
}

func TestManyOrdersTooBigForOneMessageGoInSeveral(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := b.OrderLog(LogOptions{MaxGroupBytes: 4000})
		defer l.Close()
		o := orderNumber(1)
		o.CustomerDoc = json.RawMessage(`"` + strings.Repeat("x", 1500) + `"`)
		var records [][]byte
		for n := range 10 {
			o.Reservation = fmt.Sprint("rsv_", n)
			records = append(records, recordOf(t, o))
		}
		results, err := l.write(t.Context(), records)
		if err != nil || len(results) != 10 || errors.Join(results...) != nil {
			t.Fatal(results, err)
		}
		lag, err := b.Lag(t.Context())
		if err != nil || lag.Pending != 10 || lag.Messages != 5 {
			t.Fatalf("lag %+v, %v; want 10 orders in 5 messages of two", lag, err)
		}
		if err := l.Append(t.Context(), make([]byte, MaxOrderBytes+1)); !errors.Is(err, ErrOrderTooLarge) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestAFullLogRefusesAndDropsNothing(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open(WithStreamBytes(20_000, 0))
		l := orderLog(t, b, LogOptions{})
		taken := 0
		var err error
		for ; taken < 1000; taken++ {
			if err = l.Append(t.Context(), recordOf(t, orderNumber(taken))); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrLogFull) || taken == 0 {
			t.Fatalf("after %d orders: %v, want ErrLogFull", taken, err)
		}
		k := newBooks()
		startDrain(t, b, k.deps())
		drained(t, b, 20*time.Second)
		if c, _, _ := k.counts(); c != taken {
			t.Fatalf("%d orders were acknowledged, %d arrived", taken, c)
		}
		eventually(t, 5*time.Second, "there is room again", func() bool {
			return l.Append(context.Background(), recordOf(t, orderNumber(5000))) == nil
		})
	})
}

func TestStreamsSurviveASecondNodeAndAnOperatorsSettings(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		first := open()
		cfg := first.orders.CachedInfo().Config
		cfg.MaxBytes, cfg.Description = 5<<20, "the operator's"
		if _, err := first.js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		second := open()
		if got := second.orders.CachedInfo().Config; got.MaxBytes != 5<<20 || got.Discard != jetstream.DiscardNew {
			t.Fatalf("a second node made it %+v", got)
		}
	})
}

func TestAStreamThatPromisesNothingIsRefused(t *testing.T) {
	s := startServer(t)
	b := s.broker(t)
	if err := b.js.DeleteStream(t.Context(), OrderStream); err != nil {
		t.Fatal(err)
	}
	cfg := ordersConfig(options{replicas: 1})
	cfg.Storage = jetstream.MemoryStorage
	if _, err := b.js.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := Connect(t.Context(), s.URL, quiet()); err == nil || !strings.Contains(err.Error(), "must be on file") {
		t.Fatalf("got %v", err)
	}
}

func TestErrorsAtTheStartAreOneClearLine(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	_, err := Connect(ctx, fmt.Sprintf("nats://user:hunter2@127.0.0.1:%d", testenv.FreePort(t)), quiet())
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "cannot be reached") || strings.Contains(err.Error(), "\n") {
		t.Errorf("unreachable: %v", err)
	}
	// An account of its own has no JetStream unless it is given some.
	off := startServer(t, testenv.NATSConfig("accounts { A { users: [{user: a, password: b}] } }"))
	_, err = Connect(t.Context(), strings.Replace(off.URL, "nats://", "nats://a:b@", 1), quiet())
	if err == nil || !strings.Contains(err.Error(), "JetStream is off") {
		t.Errorf("without JetStream: %v", err)
	}
	locked := startServer(t, testenv.NATSConfig("authorization {user: a, password: b}"))
	_, err = Connect(t.Context(), locked.URL, quiet())
	if err == nil || !strings.Contains(err.Error(), "refuses these credentials") {
		t.Errorf("wrong credentials: %v", err)
	}
}

func TestSyncedSaysHowTheServerSyncs(t *testing.T) {
	always := startServer(t)
	if got, err := always.broker(t).Synced(t.Context()); got != SyncedYes || err != nil {
		t.Errorf("sync_interval always: %v, %v", got, err)
	}
	byDefault := startServer(t, testenv.SyncInterval(`"2m"`))
	b := byDefault.broker(t)
	if got, err := b.Synced(t.Context()); got != SyncedNo || err != nil {
		t.Errorf("the default: %v, %v", got, err)
	}
	b.opts.monitorURL = ""
	if got, err := b.Synced(t.Context()); got != SyncedUnknown || err != nil {
		t.Errorf("without monitoring: %v, %v", got, err)
	}
	b.opts.monitorURL = fmt.Sprintf("http://127.0.0.1:%d", testenv.FreePort(t))
	if got, err := b.Synced(t.Context()); got != SyncedUnknown || err == nil {
		t.Errorf("with monitoring down: %v, %v", got, err)
	}
	e := onEmbedded(t, startEmbedded(t, t.TempDir()))
	if got, err := e.Synced(t.Context()); got != SyncedYes || err != nil {
		t.Errorf("embedded: %v, %v", got, err)
	}
}
