package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/embedded"
	"github.com/penstock/penstock/internal/testenv"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	testenv.Eventually(t, within, what, ok)
}

// onBothEngines runs a contract against a real nats-server and the embedded one.
func onBothEngines(t *testing.T, contract func(t *testing.T, open func(opts ...Option) *Broker)) {
	t.Run("real", func(t *testing.T) {
		s := startServer(t)
		contract(t, func(opts ...Option) *Broker { return s.broker(t, opts...) })
	})
	t.Run("embedded", func(t *testing.T) {
		n := startEmbedded(t, t.TempDir())
		contract(t, func(opts ...Option) *Broker { return onEmbedded(t, n, opts...) })
	})
}

func startEmbedded(t testing.TB, dir string) *embedded.NATS {
	t.Helper()
	n, err := embedded.StartNATS(dir, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Shutdown)
	return n
}

func onEmbedded(t testing.TB, n *embedded.NATS, opts ...Option) *Broker {
	t.Helper()
	nc, err := n.Connect()
	if err != nil {
		t.Fatal(err)
	}
	b, err := ConnectTo(t.Context(), nc, quiet(), append([]Option{WithSynced(SyncedYes)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBroker(b) })
	return b
}

func closeBroker(b *Broker) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = b.Close(ctx)
}

func orderLog(t testing.TB, b *Broker, opts LogOptions) *Log {
	l := b.OrderLog(opts)
	t.Cleanup(l.Close)
	return l
}

func orderNumber(n int) Order {
	return Order{
		ID: fmt.Sprintf("ord_%d", n), Sale: fmt.Sprintf("sale-%d", n%3), Reservation: fmt.Sprintf("rsv_%d", n),
		Customer: "c", Lines: []Line{{SKU: "A", Quantity: 1, UnitAmount: 12900, Currency: "EUR"}}, CreatedAtMillis: int64(n), Epoch: 1,
	}
}

func recordOf(t testing.TB, o Order) []byte {
	t.Helper()
	r, err := EncodeOrder(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// appendOrders appends orders from..to-1 concurrently; all must be acknowledged.
func appendOrders(t testing.TB, l *Log, from, to int) {
	t.Helper()
	var all sync.WaitGroup
	errs := make(chan error, to-from)
	for n := from; n < to; n++ {
		record := recordOf(t, orderNumber(n))
		all.Go(func() {
			if err := l.Append(context.Background(), record); err != nil {
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		t.Fatalf("append: %v", err)
	}
}

var (
	errDown   = errors.New("the ledger is down")
	errPoison = errors.New("sold > allocated")
)

// books is a ledger and a Redis for the drain, which can fail. It keeps a set of unique
// reservation ids, as the real ledger does.
type books struct {
	mu       sync.Mutex
	orders   map[string]Order // by reservation
	sequence []string
	twice    int // duplicates refused by the unique id
	settled  map[string]int
	letters  []string // raw
	reasons  []string
	batches  []int

	commitFails func(orders []Order) error
	// commitLies: the transaction is committed, and the answer lost.
	commitLies  func() bool
	settleFails func(saleID string) error
	letterFails func() error
}

func newBooks() *books { return &books{orders: map[string]Order{}, settled: map[string]int{}} }

func (k *books) deps() DrainDeps {
	return DrainDeps{
		Commit: k.commit, DeadLetter: k.deadLetter, Settle: k.settle, Log: quiet(),
		Permanent: func(err error) bool { return errors.Is(err, errPoison) },
		Limits:    DrainLimits{AckWait: 2 * time.Second, RetryMost: 200 * time.Millisecond},
	}
}

func (k *books) commit(_ context.Context, orders []Order) (CommitResult, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.commitFails != nil {
		if err := k.commitFails(orders); err != nil {
			return CommitResult{}, err
		}
	}
	var r CommitResult
	for _, o := range orders {
		if _, known := k.orders[o.Reservation]; known {
			k.twice++
			r.Duplicate++
			continue
		}
		k.orders[o.Reservation] = o
		k.sequence = append(k.sequence, o.Reservation)
		r.Inserted = append(r.Inserted, o.Reservation)
	}
	k.batches = append(k.batches, len(orders))
	if k.commitLies != nil && k.commitLies() {
		return CommitResult{}, errDown
	}
	return r, nil
}

func (k *books) deadLetter(_ context.Context, raw []byte, refusal error) (failed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.letterFails != nil {
		if err := k.letterFails(); err != nil {
			return false, err
		}
	}
	k.letters, k.reasons = append(k.letters, string(raw)), append(k.reasons, refusal.Error())
	_, err = DecodeOrder(raw)
	return err == nil, nil
}

func (k *books) settle(_ context.Context, saleID string, orders []Order, atMillis int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.settleFails != nil {
		if err := k.settleFails(saleID); err != nil {
			return err
		}
	}
	for _, o := range orders {
		if o.Sale != saleID || atMillis == 0 {
			return fmt.Errorf("order %s of sale %s settled for %s at %d", o.ID, o.Sale, saleID, atMillis)
		}
		k.settled[o.Reservation]++
	}
	return nil
}

// set changes how the books fail.
func (k *books) set(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

func (k *books) counts() (committed, settled, letters int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.orders), len(k.settled), len(k.letters)
}

// startDrain runs a drain until the test ends or stop is called, which waits for it.
func startDrain(t testing.TB, b *Broker, deps DrainDeps) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.NewDrain(deps).Run(ctx); err != nil {
			t.Errorf("drain: %v", err)
		}
	}()
	stop = func() {
		cancel()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Error("the drain does not stop")
		}
	}
	t.Cleanup(stop)
	return stop
}

// drained waits until the log says that nothing is left.
func drained(t testing.TB, b *Broker, within time.Duration) {
	t.Helper()
	eventually(t, within, "the log is empty", func() bool {
		lag, err := b.Lag(context.Background())
		return err == nil && lag.Pending == 0 && lag.Messages == 0
	})
}
