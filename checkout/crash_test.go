package checkout

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

// SIGKILL right after the acknowledgement: what was acknowledged must be in the log. Together with
// Synced (the server's own word that it fsyncs each message first) this is the promise of a 202.
func TestWhatWasAcknowledgedSurvivesKill9(t *testing.T) {
	s := startServer(t)
	b := s.broker(t)
	if got, err := b.Synced(t.Context()); got != SyncedYes || err != nil {
		t.Fatalf("synced: %v, %v", got, err)
	}
	l := orderLog(t, b, LogOptions{})
	const rounds, each = 5, 40
	for round := range rounds {
		eventually(t, 10*time.Second, "the log takes orders", func() bool { return b.Healthy() == nil })
		appendOrders(t, l, round*each, (round+1)*each)
		s.kill()
		s.restart()
	}
	k := newBooks()
	startDrain(t, b, k.deps())
	drained(t, b, 20*time.Second)
	if c, _, _ := k.counts(); c != rounds*each {
		t.Fatalf("%d orders were acknowledged, %d arrived", rounds*each, c)
	}
}

// The server dies while orders come in and go out. Some appends fail; each that was acknowledged
// must arrive, and none twice in the ledger.
func TestKill9InMidStreamLosesNoAcknowledgedOrder(t *testing.T) {
	s := startServer(t)
	b := s.broker(t)
	l := orderLog(t, b, LogOptions{})
	k := newBooks()
	startDrain(t, s.broker(t), k.deps())

	acked, stopped := streamOrders(l)
	for range 3 {
		before := acked.count()
		eventually(t, 20*time.Second, "orders are taken", func() bool { return acked.count() > before+300 })
		s.kill()
		s.restart()
	}
	before := acked.count()
	eventually(t, 20*time.Second, "orders are taken after the last kill", func() bool { return acked.count() > before+300 })
	stopped()
	drained(t, b, 30*time.Second)
	missing := acked.missing(k)
	if len(missing) > 0 {
		t.Fatalf("%d of %d acknowledged orders are lost: %v…", len(missing), acked.count(), missing[0])
	}
	t.Logf("%d acknowledged, %d refused or unanswered, %d came twice", acked.count(), acked.failed.Load(), k.twice)
}

type ackedOrders struct {
	mu     sync.Mutex
	ids    []string
	failed atomic.Int64
}

func (a *ackedOrders) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.ids)
}

func (a *ackedOrders) missing(k *books) (missing []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, id := range a.ids {
		if _, ok := k.orders[id]; !ok || k.settled[id] == 0 {
			missing = append(missing, id)
		}
	}
	return missing
}

// streamOrders appends from 16 goroutines until stopped.
func streamOrders(l *Log) (acked *ackedOrders, stop func()) {
	acked = &ackedOrders{}
	ctx, cancel := context.WithCancel(context.Background())
	var next atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for ctx.Err() == nil {
				o := orderNumber(int(next.Add(1)))
				record, _ := EncodeOrder(o)
				if l.Append(ctx, record) != nil {
					acked.failed.Add(1)
					sleep(ctx, 10*time.Millisecond)
					continue
				}
				acked.mu.Lock()
				acked.ids = append(acked.ids, o.Reservation)
				acked.mu.Unlock()
			}
		})
	}
	return acked, func() { cancel(); all.Wait() }
}

// Everything fails now and then: commits, answers of commits, settlements, dead letters, drains.
// Seeds are printed with the failure.
func TestRandomFailuresNeverLoseAndNeverRepeatAnOrder(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		dice := rand.New(rand.NewPCG(seed, 1)) // used under the books' lock only
		k := newBooks()
		var calm atomic.Bool
		hit := func(percent int) bool { return !calm.Load() && dice.IntN(100) < percent }
		k.commitFails = func(orders []Order) error {
			for _, o := range orders {
				if o.CreatedAtMillis%97 == 0 {
					return errPoison
				}
			}
			if hit(30) {
				return errDown
			}
			return nil
		}
		k.commitLies = func() bool { return hit(10) }
		k.settleFails = func(string) error {
			if hit(30) {
				return errDown
			}
			return nil
		}
		k.letterFails = func() error {
			if hit(50) {
				return errDown
			}
			return nil
		}
		b := open()
		l := orderLog(t, b, LogOptions{MaxGroupOrders: 7})
		const orders = 1500
		for from := 0; from < orders; from += 300 {
			stop := startDrain(t, open(), k.deps())
			appendOrders(t, l, from, from+300)
			stop() // in the middle of its work; the next one takes over
		}
		calm.Store(true)
		startDrain(t, b, k.deps())
		drained(t, b, 60*time.Second)
		checkBooks(t, k, orders)
	})
}

// checkBooks: each order is in the ledger and settled, or a dead letter if it is poisonous.
func checkBooks(t *testing.T, k *books, orders int) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	letters := map[string]bool{}
	for _, raw := range k.letters {
		o, err := DecodeOrder([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		letters[o.Reservation] = true
	}
	for n := range orders {
		id := orderNumber(n).Reservation
		_, committed := k.orders[id]
		if poison := n%97 == 0; poison == committed || poison != letters[id] || committed != (k.settled[id] > 0) {
			t.Errorf("order %d: committed %v, dead letter %v, settled %d times", n, committed, letters[id], k.settled[id])
		}
	}
	if len(k.sequence) != len(k.orders) {
		t.Errorf("%d insertions of %d orders", len(k.sequence), len(k.orders))
	}
}

// A server that hangs is worse than a dead one: nothing breaks the connection.
func TestAHangingServerIsAnErrorInTime(t *testing.T) {
	s := startServer(t)
	b := s.broker(t)
	l := orderLog(t, b, LogOptions{})
	appendOrders(t, l, 0, 1)
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	// The error must be that of the log's own time limit, and not come from the connection, which
	// breaks much later. A busy machine may make it late, but not ten times as late as that limit.
	failed := make(chan error, 1)
	go func() { failed <- l.Append(context.Background(), recordOf(t, orderNumber(1))) }()
	var err error
	select {
	case err = <-failed:
	case <-time.After(10 * publishTimeout):
		t.Fatalf("an append to a hanging server has not ended after %v", 10*publishTimeout)
	}
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, jetstream.ErrAsyncPublishTimeout) {
		t.Errorf("a hanging server, and the append ended with %v", err)
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "orders are taken again", func() bool {
		return l.Append(context.Background(), recordOf(t, orderNumber(2))) == nil
	})
}

func TestNothingIsLeftRunning(t *testing.T) {
	s := startServer(t) // a process apart, so that all goroutines here are ours
	before := goleak.IgnoreCurrent()
	b, err := Connect(t.Context(), s.URL, quiet())
	if err != nil {
		t.Fatal(err)
	}
	l := b.OrderLog(LogOptions{})
	k := newBooks()
	stop := startDrain(t, b, k.deps())
	appendOrders(t, l, 0, 100)
	if err := b.Journal().Enqueue("s", numbered(0, 10)); err != nil {
		t.Fatal(err)
	}
	for _, err := range b.Journal().Replay(t.Context(), "s", time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	drained(t, b, 10*time.Second)
	stop()
	l.Close()
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
}
