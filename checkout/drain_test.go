package checkout

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

func TestOrdersWaitForTheLedgerAndArriveInOrderOnce(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{})
		k := newBooks()
		k.set(func() { k.commitFails = func([]Order) error { return errDown } })
		startDrain(t, b, k.deps())
		const orders = 300
		for n := range orders { // one by one, so that the order is known
			appendOrders(t, l, n, n+1)
		}
		// Longer than AckWait, so that only the heartbeat keeps the messages from coming again.
		eventually(t, 10*time.Second, "the backlog is older than AckWait", func() bool {
			lag, err := b.Lag(context.Background())
			return err == nil && lag.OldestSeconds > 3
		})
		lag, err := b.Lag(t.Context())
		if err != nil || lag.Pending != orders || lag.OldestSeconds < 2.5 {
			t.Fatalf("while the ledger is down: %+v, %v", lag, err)
		}
		back := time.Now()
		var first time.Duration // until the first commit afterwards
		k.set(func() {
			k.commitFails = func([]Order) error {
				if first == 0 {
					first = time.Since(back)
				}
				return nil
			}
		})
		drained(t, b, 10*time.Second)
		if first > 2*time.Second {
			t.Errorf("the drain tried again %v after the ledger was back", first)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if len(k.sequence) != orders || k.twice != 0 {
			t.Fatalf("%d arrived, %d twice", len(k.sequence), k.twice)
		}
		for n, id := range k.sequence {
			if id != orderNumber(n).Reservation {
				t.Fatalf("place %d is %s", n, id)
			}
		}
		if slices.Max(k.batches) < 100 {
			t.Errorf("commits of %v: the backlog must go in large ones", k.batches)
		}
	})
}

func TestOnePoisonousOrderIsIsolated(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{})
		const orders = 200
		appendOrders(t, l, 0, orders)
		k := newBooks()
		poison := map[string]bool{"rsv_13": true, "rsv_140": true}
		var down atomic.Int64
		down.Store(2)
		k.commitFails = func(batch []Order) error {
			if slices.ContainsFunc(batch, func(o Order) bool { return poison[o.Reservation] }) {
				return errPoison
			}
			return nil
		}
		k.letterFails = func() error { // keeping the dead letter needs the ledger too
			if down.Add(-1) >= 0 {
				return errDown
			}
			return nil
		}
		startDrain(t, b, k.deps())
		drained(t, b, 10*time.Second)
		c, s, d := k.counts()
		if c != orders-2 || s != orders-2 || d != 2 {
			t.Fatalf("%d committed, %d settled, %d dead letters", c, s, d)
		}
		for i, raw := range k.letters {
			o, err := DecodeOrder([]byte(raw))
			if err != nil || !poison[o.Reservation] || k.reasons[i] != errPoison.Error() {
				t.Errorf("dead letter %q, reason %q: %v", raw, k.reasons[i], err)
			}
		}
		// Redriven, once the reason is gone.
		k.set(func() { k.commitFails = nil })
		for _, raw := range k.letters {
			if err := l.Append(t.Context(), []byte(raw)); err != nil {
				t.Fatal(err)
			}
		}
		drained(t, b, 10*time.Second)
		if c, _, _ := k.counts(); c != orders {
			t.Fatalf("after the redrive %d committed", c)
		}
	})
}

func TestWhatIsNoOrderBecomesADeadLetterAsItIs(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{})
		garbage := []string{"not a batch", string([]byte{batchVersion, 200, 1}), ""}
		for _, g := range garbage {
			if _, err := b.js.Publish(t.Context(), orderSubject+"1", []byte(g)); err != nil {
				t.Fatal(err)
			}
		}
		mixed := appendRecord(appendRecord(newBatch(0), []byte(`{"id":"x"}`)), recordOf(t, orderNumber(1)))
		if _, err := b.js.PublishMsg(t.Context(), &nats.Msg{Subject: orderSubject + "2", Data: mixed}); err != nil {
			t.Fatal(err)
		}
		appendOrders(t, l, 2, 10)
		k := newBooks()
		startDrain(t, b, k.deps())
		drained(t, b, 10*time.Second)
		if c, _, d := k.counts(); c != 9 || d != 4 {
			t.Fatalf("%d committed, %d dead letters %q", c, d, k.letters)
		}
		for _, want := range append(garbage, `{"id":"x"}`) {
			if !slices.Contains(k.letters, want) {
				t.Errorf("no dead letter %q in %q", want, k.letters)
			}
		}
	})
}

func TestWhatCouldNotBeSettledIsSettledLater(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{})
		k := newBooks()
		var redisDown atomic.Bool
		redisDown.Store(true)
		k.settleFails = func(saleID string) error {
			if redisDown.Load() && saleID == "sale-1" {
				return errDown
			}
			return nil
		}
		startDrain(t, b, k.deps())
		const orders = 90
		appendOrders(t, l, 0, orders)
		eventually(t, 10*time.Second, "orders reach the ledger without Redis", func() bool { c, _, _ := k.counts(); return c == orders })
		eventually(t, 10*time.Second, "the other sales are settled", func() bool { _, s, _ := k.counts(); return s == orders*2/3 })
		if lag, err := b.Lag(t.Context()); err != nil || lag.Messages == 0 {
			t.Fatalf("unsettled orders must stay in the log: %+v, %v", lag, err)
		}
		redisDown.Store(false)
		drained(t, b, 10*time.Second)
		if c, s, d := k.counts(); c != orders || s != orders || d != 0 {
			t.Fatalf("%d committed, %d settled, %d dead letters", c, s, d)
		}
	})
}

func TestAStoppingDrainGivesBackAtOnceWhatItHolds(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{})
		k := newBooks()
		k.set(func() { k.commitFails = func([]Order) error { return errDown } })
		deps := k.deps()
		deps.Limits.AckWait = time.Minute // only giving back can bring them again within the test
		stop := startDrain(t, b, deps)
		appendOrders(t, l, 0, 50)
		eventually(t, 5*time.Second, "the drain holds messages", func() bool {
			c, err := b.orders.Consumer(context.Background(), drainConsumer)
			return err == nil && c.CachedInfo().NumAckPending > 0
		})
		stop()
		k.set(func() { k.commitFails = nil })
		startDrain(t, b, deps)
		drained(t, b, 10*time.Second)
		if c, _, _ := k.counts(); c != 50 {
			t.Fatalf("%d committed", c)
		}
	})
}

func TestAStoppingDrainFinishesTheCommitUnderWay(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{})
		k := newBooks()
		entered, finish := make(chan struct{}), make(chan struct{})
		deps := k.deps()
		deps.Commit = func(ctx context.Context, orders []Order) (CommitResult, error) {
			close(entered)
			<-finish
			if err := ctx.Err(); err != nil {
				return CommitResult{}, err
			}
			return k.commit(ctx, orders)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = b.NewDrain(deps).Run(ctx) }()
		appendOrders(t, l, 0, 1)
		<-entered
		cancel()
		close(finish)
		<-done
		if c, s, _ := k.counts(); c != 1 || s != 1 {
			t.Fatalf("%d committed, %d settled", c, s)
		}
		drained(t, b, 5*time.Second)
	})
}

func TestWhatADeadDrainHeldGoesToAnother(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		dying, b := open(), open()
		l := orderLog(t, b, LogOptions{})
		k := newBooks()
		k.set(func() { k.commitFails = func([]Order) error { return errDown } })
		startDrain(t, dying, k.deps())
		appendOrders(t, l, 0, 50)
		eventually(t, 5*time.Second, "the drain holds messages", func() bool {
			c, err := b.orders.Consumer(context.Background(), drainConsumer)
			return err == nil && c.CachedInfo().NumAckPending > 0
		})
		dying.nc.Close() // as in kill -9: nothing is given back
		other := newBooks()
		startDrain(t, b, other.deps())
		drained(t, b, 10*time.Second)
		if c, s, _ := other.counts(); c != 50 || s != 50 {
			t.Fatalf("%d committed, %d settled", c, s)
		}
	})
}

func TestTwoDrainsShareTheWork(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{MaxGroupOrders: 5})
		k := newBooks()
		startDrain(t, open(), k.deps())
		startDrain(t, open(), k.deps())
		const orders = 3000
		appendOrders(t, l, 0, orders)
		drained(t, b, 20*time.Second)
		if c, s, _ := k.counts(); c != orders || s != orders || k.twice != 0 {
			t.Fatalf("%d committed, %d settled, %d twice", c, s, k.twice)
		}
	})
}

func TestADeletedConsumerIsMadeAgain(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{})
		k := newBooks()
		startDrain(t, b, k.deps())
		appendOrders(t, l, 0, 10)
		drained(t, b, 5*time.Second)
		if err := b.orders.DeleteConsumer(t.Context(), drainConsumer); err != nil {
			t.Fatal(err)
		}
		appendOrders(t, l, 10, 20)
		eventually(t, 15*time.Second, "all orders arrive", func() bool { c, _, _ := k.counts(); return c == 20 })
	})
}

func TestGroupBySaleKeepsTheOrder(t *testing.T) {
	var orders []Order
	for n := range 7 {
		orders = append(orders, orderNumber(n))
	}
	sales, by := groupBySale(orders)
	if strings.Join(sales, " ") != "sale-0 sale-1 sale-2" || by["sale-0"][1].ID != "ord_3" || len(by["sale-1"]) != 2 {
		t.Fatal(sales, by)
	}
}
