package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"
)

const (
	drainConsumer = "ledger"
	fetchMessages = 256
	fetchBytes    = 4 << 20
	fetchRoom     = fetchBytes + fetchMessages*entryOverhead
	fetchWait     = 2 * time.Second
	fetchLinger   = 100 * time.Millisecond
	maxAckPending = 1024 // messages that all drains together may hold
)

// CommitResult is what the ledger did with a batch.
type CommitResult struct {
	Inserted  []string // reservations whose order is new, sorted
	Duplicate int      // orders that the ledger had already, or that were in the batch twice
}

// DrainDeps is what a drain needs. Commit, DeadLetter, Failed and Settle may be called again with
// orders that they saw before: the second call must change nothing.
type DrainDeps struct {
	// Commit puts all orders into the ledger in one transaction, or none. Never called twice at a time.
	Commit func(ctx context.Context, orders []Order) (CommitResult, error)
	// Permanent tells errors of Commit that no later attempt can mend. Nil: there are none.
	Permanent func(err error) bool
	// DeadLetter keeps what the ledger cannot take, with the refusal: the record of an order, readable
	// by DecodeOrder, or bytes that are not an order. It returns whether the order is failed from now
	// on; an order that is in the ledger after all is not.
	DeadLetter func(ctx context.Context, raw []byte, refusal error) (failed bool, err error)
	// Failed hears of each order that failed, after its dead letter is kept, to move its units and to
	// tell the buyer. With an error it is called again later, for as long as it takes; for a sale that
	// is gone it must return nil. May be nil.
	Failed func(ctx context.Context, o Order, refusal error) error
	// Settle tells Redis that orders of one sale are in the ledger. With an error they are settled
	// again later, for as long as it takes; for a sale that is gone it must return nil.
	Settle func(ctx context.Context, saleID string, orders []Order, committedAtMillis int64) error
	// OnCommit hears of each commit that succeeded: its duration, and the number of orders. May be nil.
	OnCommit func(latency time.Duration, orders int)
	Log      *slog.Logger
	Limits   DrainLimits
}

// DrainLimits bounds a drain. Zero values take the defaults.
type DrainLimits struct {
	MaxBatchOrders int           // in one transaction; default 2000
	MaxHeldBytes   int64         // of messages taken and not acknowledged; default 16 MiB
	CommitTimeout  time.Duration // of one attempt; default 15 s
	SettleTimeout  time.Duration // of one attempt; default 2 s
	RetryMost      time.Duration // longest pause between attempts; default 2 s
	AckWait        time.Duration // after which what a killed drain held comes again; default 10 s
	ShutdownGrace  time.Duration // for the commit under way when Run's context ends; default 5 s
}

func (l DrainLimits) withDefaults() DrainLimits {
	if l.MaxBatchOrders <= 0 {
		l.MaxBatchOrders = 2000
	}
	if l.MaxHeldBytes <= 0 {
		l.MaxHeldBytes = 16 << 20
	}
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{
		{&l.CommitTimeout, 15 * time.Second}, {&l.SettleTimeout, 2 * time.Second},
		{&l.RetryMost, 2 * time.Second}, {&l.AckWait, 10 * time.Second}, {&l.ShutdownGrace, 5 * time.Second},
	} {
		if *d.at <= 0 {
			*d.at = d.value
		}
	}
	return l
}

// Drain moves orders from the log into the ledger. Several may run, on several nodes; each order
// goes to one of them, and to another if that one dies.
//
// The order of things is: commit, settle, acknowledge. While the ledger is down nothing is
// acknowledged: the drain keeps what it holds, tells the server that it is still at work, tries
// again with a growing pause of at most RetryMost, and so continues in order as soon as the
// ledger is back. While Redis is down orders still reach the ledger; their messages go back to
// the log and come again (as duplicates, to the ledger) until they are settled.
type Drain struct {
	b       *Broker
	deps    DrainDeps
	limits  DrainLimits
	metrics *Metrics
	trim    *trimmer
	room    *semaphore.Weighted

	mu   sync.Mutex
	held map[*message]struct{}
}

// NewDrain makes a drain; Run starts it.
func (b *Broker) NewDrain(deps DrainDeps) *Drain {
	if deps.Permanent == nil {
		deps.Permanent = func(error) bool { return false }
	}
	if deps.Failed == nil {
		deps.Failed = func(context.Context, Order, error) error { return nil }
	}
	if deps.OnCommit == nil {
		deps.OnCommit = func(time.Duration, int) {}
	}
	limits := deps.Limits.withDefaults()
	return &Drain{
		b: b, deps: deps, limits: limits, metrics: b.opts.metrics, trim: newTrimmer(b),
		room: semaphore.NewWeighted(max(limits.MaxHeldBytes, 2*fetchRoom)), held: map[*message]struct{}{},
	}
}

// Run drains until ctx ends, finishes the commit that is under way (within ShutdownGrace), gives
// the rest back to the log, and returns nil. Troubles with NATS, the ledger or Redis do not end it.
func (d *Drain) Run(ctx context.Context) error {
	// work outlives ctx by the grace, so that a commit is not cut off in the middle.
	work, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(d.limits.ShutdownGrace, cut) })()

	intake := make(chan *message, maxAckPending)
	settling := make(chan *committed, 2)
	var feeders, workers sync.WaitGroup
	feeders.Go(func() { defer close(intake); d.fetch(ctx, intake) })
	workers.Go(func() { d.settleAll(ctx, work, settling) })
	background, stop := context.WithCancel(work)
	var helpers sync.WaitGroup
	helpers.Go(func() { d.keepAlive(background) })
	helpers.Go(func() { d.trim.run(background) })

	d.commitAll(ctx, work, intake, settling)
	close(settling)
	workers.Wait()
	feeders.Wait()
	stop()
	helpers.Wait()
	d.giveBack()
	return nil
}

// fetch keeps the intake full. The next request is under way while a batch is being committed, so
// that the ledger does not wait for the network.
func (d *Drain) fetch(ctx context.Context, intake chan<- *message) {
	// A request outlives ctx for a moment, to take in what is on its way: that would otherwise
	// come again only after AckWait.
	fetching, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(fetchLinger, cut) })()

	pause, complained := retryFirst, time.Time{}
	for ctx.Err() == nil {
		err := d.fetchFrom(ctx, fetching, intake, func() { pause = retryFirst })
		if ctx.Err() != nil {
			return
		}
		if time.Since(complained) > complainEvery {
			d.deps.Log.Warn("the order log cannot be read; trying again", "error", err)
			complained = time.Now()
		}
		sleep(ctx, jittered(pause))
		pause = min(2*pause, d.limits.RetryMost)
	}
}

func (d *Drain) fetchFrom(ctx, fetching context.Context, intake chan<- *message, working func()) error {
	consumer, err := d.b.orders.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: drainConsumer, Description: "Penstock: drains orders into the ledger",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: d.limits.AckWait, MaxAckPending: maxAckPending, MaxDeliver: -1,
	})
	if err != nil {
		return err
	}
	for {
		// Room first: a message that has been delivered must be held, or nothing keeps it alive.
		if err := d.room.Acquire(ctx, fetchRoom); err != nil {
			return err
		}
		err := d.fetchOnce(fetching, consumer, intake)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = d.b.Healthy()
		}
		if err != nil {
			return err
		}
		working()
	}
}

// fetchOnce makes one request and takes all that it brings. It has fetchRoom, and gives back what
// the messages do not need.
func (d *Drain) fetchOnce(fetching context.Context, consumer jetstream.Consumer, intake chan<- *message) error {
	left := int64(fetchRoom)
	defer func() { d.room.Release(left) }()
	ctx, cancel := context.WithTimeout(fetching, fetchWait)
	defer cancel()
	fetched, err := consumer.Fetch(fetchMessages, jetstream.FetchMaxBytes(fetchBytes), jetstream.FetchContext(ctx))
	if err != nil {
		return err
	}
	for raw := range fetched.Messages() {
		m := newMessage(raw)
		m.room = min(m.room, left)
		left -= m.room
		if m.deliveries > 1 {
			d.metrics.redelivered.Inc()
		}
		d.hold(m)
		intake <- m
	}
	if err := fetched.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func (d *Drain) hold(m *message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held[m] = struct{}{}
}

// release forgets a message that was acknowledged or given back.
func (d *Drain) release(m *message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.held[m]; ok {
		delete(d.held, m)
		d.room.Release(m.room)
	}
}

// keepAlive tells the server of each held message that it is being worked on, so that a ledger
// that is slow or down does not set off redeliveries.
func (d *Drain) keepAlive(ctx context.Context) {
	for sleep(ctx, d.limits.AckWait/4) {
		for _, m := range d.snapshotHeld() {
			if err := m.raw.InProgress(); err != nil {
				break // disconnected; the server will deliver again
			}
		}
	}
}

func (d *Drain) snapshotHeld() []*message {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*message, 0, len(d.held))
	for m := range d.held {
		all = append(all, m)
	}
	return all
}

// giveBack returns what was not finished, so that another drain has it at once.
func (d *Drain) giveBack() {
	for _, m := range d.snapshotHeld() {
		_ = m.raw.Nak()
		d.release(m)
	}
	if err := d.b.nc.FlushTimeout(time.Second); err != nil {
		d.deps.Log.Debug("drain: flush at the end", "error", err)
	}
}

// message is one message of the order log, in the hands of a drain.
type message struct {
	raw        jetstream.Msg
	deliveries uint64
	orders     []Order
	records    [][]byte // of the orders, one each
	garbage    []garbage
	room       int64 // bytes that it occupies
}

type garbage struct {
	raw    []byte
	reason error
}

func newMessage(raw jetstream.Msg) *message {
	m := &message{raw: raw, deliveries: 1, room: int64(len(raw.Data())) + entryOverhead}
	if meta, err := raw.Metadata(); err == nil {
		m.deliveries = meta.NumDelivered
	}
	records, err := splitBatch(raw.Data())
	if err != nil {
		m.garbage = append(m.garbage, garbage{raw: raw.Data(), reason: err})
		return m
	}
	for i, r := range records {
		o, err := DecodeOrder(r)
		if err != nil {
			m.garbage = append(m.garbage, garbage{raw: r, reason: fmt.Errorf("record %d of %d: %w", i+1, len(records), err)})
			continue
		}
		m.orders, m.records = append(m.orders, o), append(m.records, r)
	}
	return m
}
