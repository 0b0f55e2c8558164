package checkout

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

func TestAnOrderThatFailedIsToldUntilItIsHeard(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{})
		const orders = 20
		appendOrders(t, l, 0, orders)
		k := newBooks()
		k.commitFails = func(batch []Order) error {
			for _, o := range batch {
				if o.Reservation == "rsv_7" {
					return errPoison
				}
			}
			return nil
		}
		var mu sync.Mutex
		var told []string
		deps := k.deps()
		deps.Failed = func(_ context.Context, o Order, refusal error) error {
			mu.Lock()
			defer mu.Unlock()
			if !errors.Is(refusal, errPoison) {
				t.Errorf("the refusal is %v", refusal)
			}
			told = append(told, o.Reservation)
			if len(told) < 3 {
				return errDown // Redis is down: the order must come again
			}
			return nil
		}
		startDrain(t, b, deps)
		drained(t, b, 20*time.Second)
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 3 || told[0] != "rsv_7" || told[2] != "rsv_7" {
			t.Errorf("told %v", told)
		}
		if c, s, _ := k.counts(); c != orders-1 || s != orders-1 {
			t.Errorf("%d committed, %d settled", c, s)
		}
	})
}
