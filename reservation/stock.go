// Package reservation keeps the stock of a sale and the holds on it.
//
// All decisions are made by the Lua scripts under scripts/, on the clock of Redis, so that any
// number of nodes agree. A node combines its concurrent requests, so that one script call decides
// up to a few hundred of them.
package reservation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/batch"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
)

// Journal appends records durably: they are fsynced when it returns without an error.
type Journal func(ctx context.Context, saleID string, records [][]byte) error

// Enqueue hands records to the journal, to be appended soon. It does not wait and may not block.
type Enqueue func(saleID string, records [][]byte)

// Deps is what a stock needs of its surroundings.
type Deps struct {
	Redis  rueidis.Client
	Secret []byte // 32 bytes or more; the same on all nodes
	// PreviousSecrets were Secret before. A request that made its reservation under one of them, and is
	// repeated, finds it. With any set, each fresh reservation costs one more script call a batch.
	PreviousSecrets [][]byte
	// Journal serves sales of durability "durable", Enqueue those of "journaled". Without one,
	// nothing is journaled.
	Journal Journal
	Enqueue Enqueue
	// JournalFull reports that the sale has used up its part of the journal: new holds of a sale that
	// promises the journal are refused then. It is asked for each of them, and may be nil.
	JournalFull func(saleID string) bool
	// GateKey is the sorted set of the bearers whose pass is in force and the moments (ms) until which it is.
	GateKey string
	Log     *slog.Logger
	// MaxWaiting is how many callers of one kind may wait; one more is refused as overloaded.
	MaxWaiting int
	// Lost is called, at most once a second, when Redis refuses this node: the stock there is missing,
	// was armed on another run of the server, or is of another epoch than this node knows. Nothing is
	// decided until the sale is restored, or Update brings the new epoch. It may be nil.
	Lost func()
}

const (
	defaultMaxWaiting = 16384
	batchMost         = 256
	// snapshotFresh is how long a snapshot may be believed when it says that nothing is left.
	snapshotFresh = time.Second
)

// Stock is one sale's stock as seen by one node. Its methods may be called concurrently.
type Stock struct {
	deps  Deps
	sale  string
	keys  keys
	cores *coreMaker
	// former make the cores that the same keys led to under the former secrets.
	former []*coreMaker

	plan     atomic.Pointer[plan]
	snapshot atomic.Pointer[Snapshot]
	readAt   atomic.Int64 // nanoseconds since born, of the snapshot
	born     time.Time
	asideFor func() time.Duration // see SetAsideFor; may be nil
	refresh  sync.Mutex
	lostAt   atomic.Int64 // nanoseconds since born, of the last call of Lost
	outbox   outboxCursor
	memory   memory
	releases releasePace

	reserves   *batch.Combiner[*ask, decision]
	recalls    *batch.Combiner[[]string, recalled]
	confirms   *batch.Combiner[*order, verdict]
	holdings   *batch.Combiner[string, bool]
	publishes  *batch.Combiner[published, error]
	journaling *batch.Combiner[[]byte, struct{}]
}

type keys struct {
	stock, customers, due, made, orderKeys, outbox, gate string
	// records is the prefix of the records, to be followed by the epoch: each epoch has its own, so that
	// what an earlier one left is never taken for live.
	records string
}

func keysOf(saleID, gate string) keys {
	k := keys{
		stock: redis.Key(saleID, "stock"), customers: redis.Key(saleID, "cust"), due: redis.Key(saleID, "due"), made: redis.Key(saleID, "made"),
		orderKeys: redis.Key(saleID, "okeys"), outbox: redis.Key(saleID, "outbox"), gate: gate,
		records: redis.Key(saleID, "r:"),
	}
	if gate == "" {
		k.gate = k.due // never asked: there is no bearer without a gate
	}
	return k
}

// whole are all keys of a stock but its records, as wipe.lua and begin.lua take them.
func (k *keys) whole() []string {
	return []string{k.stock, k.customers, k.due, k.made, k.orderKeys, k.outbox}
}

// ofEpoch is the prefix of the records of one epoch.
func (k *keys) ofEpoch(epoch string) string { return k.records + epoch + ":" }

// OpenStock gives a node its access to the stock of a sale. It does not touch Redis: Begin
// creates the stock there, and Refresh reads it.
func OpenStock(d Deps, rec sale.Record) *Stock {
	if d.MaxWaiting <= 0 {
		d.MaxWaiting = defaultMaxWaiting
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	s := &Stock{deps: d, sale: rec.ID, keys: keysOf(rec.ID, d.GateKey), cores: newCoreMaker(d.Secret), born: time.Now()}
	for _, secret := range d.PreviousSecrets {
		s.former = append(s.former, newCoreMaker(secret))
	}
	opts := batch.Options{MaxBatch: batchMost, MaxWaiting: d.MaxWaiting, MaxRuns: 1}
	s.reserves = batch.New(opts, s.runReserve)
	s.recalls = batch.New(opts, s.runRecall)
	s.confirms = batch.New(opts, s.runConfirm)
	s.holdings = batch.New(opts, s.runHolding)
	s.publishes = batch.New(opts, s.runPublish)
	s.journaling = batch.New(opts, s.runJournal)
	s.snapshot.Store(&Snapshot{})
	s.plan.Store(newPlan(rec))
	return s
}

// Update brings a new version of the sale to the node.
func (s *Stock) Update(rec sale.Record) { s.plan.Store(newPlan(rec)) }

// Epoch is the epoch of the sale by which this node decides.
func (s *Stock) Epoch() int64 { return s.plan.Load().rec.Epoch }

// Close lets the callers that wait finish. Later calls are refused as unavailable.
func (s *Stock) Close() {
	s.reserves.Close()
	s.recalls.Close()
	s.journaling.Close()
	s.confirms.Close()
	s.holdings.Close()
	s.publishes.Close()
}

// plan is a version of the sale, prepared for looking things up.
type plan struct {
	rec            sale.Record
	epoch          string
	records        string // prefix of the record keys
	recordsLength  string
	items          map[string]int
	channels       map[string]int
	names          []string // of the channels, sorted; one empty name without channels
	defaultChannel int
	pools          []pool // item by item, channel by channel
	// turn grows when units come back, which a snapshot that was begun before does not know of.
	turn atomic.Int64
}

// pool is the part of an item that one channel sells.
type pool struct {
	sku, channel string // channel as a word of a record
	name         string
	// empty is the latch: nothing was left when Redis was last heard of, by the snapshot or a refusal.
	empty atomic.Bool
	// seen is plan.turn as it was before the snapshot that found the pool empty; 0 when none did.
	seen atomic.Int64
	// sources are the pools of the same item whose units this one may sell when it has none.
	sources []source
}

// source is a pool that another one may draw on from a moment on.
type source struct {
	pool       *pool
	fromMillis int64
}

func (p *pool) isEmpty() bool { return p.empty.Load() }

// gone reports that nothing is left of the pool, nor of those that it may draw on at the moment or before the
// horizon: is tells that a pool is empty.
func (p *pool) gone(horizonMillis int64, is func(*pool) bool) bool {
	if !is(p) {
		return false
	}
	for _, from := range p.sources {
		if from.fromMillis <= horizonMillis && !is(from.pool) {
			return false
		}
	}
	return true
}

func newPlan(rec sale.Record) *plan {
	p := &plan{rec: rec, epoch: strconv.FormatInt(rec.Epoch, 10), items: make(map[string]int, len(rec.Items))}
	k := keysOf(rec.ID, "")
	p.records = k.ofEpoch(p.epoch)
	p.recordsLength = strconv.Itoa(len(p.records))
	p.names = channelNames(rec.Sale)
	p.channels = make(map[string]int, len(p.names))
	for i, name := range p.names {
		p.channels[name] = i
	}
	if name, found := rec.VisitorChannel(); found {
		p.defaultChannel = p.channels[name]
	}
	p.turn.Store(1)
	p.pools = make([]pool, len(rec.Items)*len(p.names))
	for i, item := range rec.Items {
		p.items[item.SKU] = i
		for c, name := range p.names {
			one := &p.pools[i*len(p.names)+c]
			one.sku, one.channel = item.SKU, channelWord(name)
			one.name = one.sku + "|" + one.channel
		}
	}
	p.addSources()
	return p
}

// addSources joins the pools by the rules of spill-over.
func (p *plan) addSources() {
	for c, name := range p.names {
		for _, from := range p.rec.SpillsTo(name) {
			at, there := p.channels[from.Channel]
			if !there {
				continue
			}
			for i := range p.rec.Items {
				one := p.pool(i, c)
				one.sources = append(one.sources, source{pool: p.pool(i, at), fromMillis: from.From.UnixMilli()})
			}
		}
	}
}

// channelNames lists the pools of each item in a fixed order.
func channelNames(s sale.Sale) []string {
	if len(s.Channels) == 0 {
		return []string{sale.NoChannel}
	}
	names := make([]string, 0, len(s.Channels))
	for name := range s.Channels {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// channel finds the pool a request draws on: the one it names, or else the default.
func (p *plan) channel(name string) (int, bool) {
	if name == "" {
		return p.defaultChannel, true
	}
	i, ok := p.channels[name]
	return i, ok
}

func (p *plan) pool(item, channel int) *pool { return &p.pools[item*len(p.names)+channel] }

// open clears the latches: units have come back.
func (p *plan) open() {
	p.turn.Add(1)
	for i := range p.pools {
		p.pools[i].empty.Store(false)
	}
}

// sawEmpty reports that the snapshot itself found the pool empty and that no units have come back
// through this node since: nobody whom the snapshot does not count has got any of them.
func (p *plan) sawEmpty(one *pool) bool { return one.seen.Load() == p.turn.Load() }

// refused words an answer that concerns a whole call.
func (s *Stock) refused(answer int64) error {
	switch answer {
	case answerNotReady, answerStale, answerLost:
		s.tellLost(answer)
		return problem.Restoring()
	}
	return fmt.Errorf("%w: %d", errAnswer, answer)
}

// tellLost reads the stock and calls Lost, off the caller's path.
func (s *Stock) tellLost(answer int64) {
	now := int64(time.Since(s.born))
	last := s.lostAt.Load()
	if last != 0 && now-last < int64(time.Second) || !s.lostAt.CompareAndSwap(last, now) {
		return
	}
	why := map[int64]string{
		answerNotReady: "redis does not hold the stock of the sale",
		answerStale:    "redis holds another epoch of the sale",
		answerLost:     "the stock was armed on another run of the redis server",
	}[answer]
	s.deps.Log.Warn("a request for units was refused", "sale", s.sale, "epoch", s.plan.Load().rec.Epoch, "reason", why)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := s.Refresh(ctx); err != nil {
			s.deps.Log.Warn("refreshing the stock failed", "sale", s.sale, "error", err)
		}
		if s.deps.Lost != nil {
			s.deps.Lost()
		}
	}()
}

// failed turns what went wrong on the way to Redis into an answer that can be retried.
func failed(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, problem.Unavailable, err)
}

// waited turns the errors of a combiner into answers.
func waited(what string, err error) error {
	var code problem.Code
	switch {
	case err == nil || errors.As(err, &code):
		return err
	case errors.Is(err, batch.ErrFull):
		return problem.Retry(problem.Overloaded, "too many requests are waiting; try again", 1)
	default:
		return failed(what, err)
	}
}
