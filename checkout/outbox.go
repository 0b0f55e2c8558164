package checkout

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

const (
	relayAge       = 2 * time.Second // an order that is older in the outbox has lost its publisher
	relayMost      = 500             // orders in one call
	relayAtATime   = 64              // of them published concurrently, so that they share messages
	cleanerWaiting = 16384
	cleanerBatch   = 1000
	cleanTimeout   = 5 * time.Second
)

// Relay publishes up to 500 orders that have been in the outbox for more than 2 s, because the
// node that accepted them died or could not reach the log, and returns how many are durable now.
// Any node may call it, at any time: an order that is published twice is a duplicate to the ledger.
func (d *Desk) Relay(ctx context.Context, stock *reservation.Stock, rec sale.Record) (n int, err error) {
	waiting, err := stock.Outbox(ctx, relayAge, relayMost)
	if err != nil || len(waiting) == 0 {
		return 0, err
	}
	errs := make([]error, len(waiting))
	slots := make(chan struct{}, relayAtATime)
	var all sync.WaitGroup
	for i, one := range waiting {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			errs[i] = d.relayOne(ctx, stock, rec, one)
		})
	}
	all.Wait()
	var done []string
	for i, one := range waiting {
		if errs[i] == nil {
			done = append(done, one.ReservationID)
		}
	}
	d.metrics.ordersRelayed.Add(float64(len(done)))
	return len(done), errors.Join(errors.Join(errs...), stock.Published(ctx, done))
}

func (d *Desk) relayOne(ctx context.Context, stock *reservation.Stock, rec sale.Record, one reservation.Outgoing) error {
	r, err := stock.Get(ctx, one.ReservationID)
	if err != nil {
		return err
	}
	o, err := complete(one.Order, r, rec)
	if err != nil {
		return err
	}
	return d.publish(ctx, o)
}

// outboxCleaner takes published orders off the outbox, behind the back of the answer. What it
// misses stays, and is relayed: a duplicate, never a loss.
type outboxCleaner struct {
	log     *slog.Logger
	metrics *Metrics
	work    chan publishedOrder
	quit    chan struct{}
	done    chan struct{}
	once    sync.Once
}

type publishedOrder struct {
	stock       *reservation.Stock
	reservation string
}

func newOutboxCleaner(log *slog.Logger, m *Metrics) *outboxCleaner {
	c := &outboxCleaner{
		log: log, metrics: m, work: make(chan publishedOrder, cleanerWaiting),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	go c.run()
	return c
}

func (c *outboxCleaner) published(stock *reservation.Stock, reservationID string) {
	select {
	case c.work <- publishedOrder{stock, reservationID}:
	default:
		c.metrics.outboxFailures.Inc()
	}
}

func (c *outboxCleaner) run() {
	defer close(c.done)
	for {
		select {
		case first := <-c.work:
			c.clean(first)
		case <-c.quit:
			for {
				select {
				case first := <-c.work:
					c.clean(first)
				default:
					return
				}
			}
		}
	}
}

// clean takes what waits, and makes one call a stock.
func (c *outboxCleaner) clean(first publishedOrder) {
	byStock := map[*reservation.Stock][]string{first.stock: {first.reservation}}
gathering:
	for range cleanerBatch {
		select {
		case one := <-c.work:
			byStock[one.stock] = append(byStock[one.stock], one.reservation)
		default:
			break gathering
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	for stock, ids := range byStock {
		if err := stock.Published(ctx, ids); err != nil {
			c.metrics.outboxFailures.Add(float64(len(ids)))
			c.log.Debug("published orders stay in the outbox", "orders", len(ids), "error", err)
		}
	}
}

func (c *outboxCleaner) close(ctx context.Context) {
	c.once.Do(func() { close(c.quit) })
	select {
	case <-c.done:
	case <-ctx.Done():
	}
}
