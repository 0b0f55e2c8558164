package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"
)

// JournalLimits bounds a node's journal. Zero values take the defaults.
type JournalLimits struct {
	MaxBufferedBytes int64         // records waiting to be written; default 32 MiB
	MaxGroupBytes    int64         // written at a time; default 256 KiB
	EnqueueWait      time.Duration // how long Enqueue blocks on a full buffer; default 100 ms
	MaxSaleBytes     int64         // that one sale may occupy on the server; default 128 MiB
}

const (
	entryOverhead     = 256       // bytes that a buffered entry costs beside its records, so that empty ones are bounded too
	maxJournalEntry   = 512 << 10 // bytes of one call; it travels in one message
	retryFirst        = 50 * time.Millisecond
	retryMost         = 2 * time.Second
	complainEvery     = 10 * time.Second
	journalAppendMost = 5 * time.Second
)

// Errors of the journal.
var (
	ErrJournalFull    = errors.New("checkout: the journal is full")
	ErrJournalClosed  = errors.New("checkout: the journal is closed")
	ErrRecordTooLarge = errors.New("checkout: too much for one journal record")
)

func (l JournalLimits) withDefaults() JournalLimits {
	if l.MaxBufferedBytes <= 0 {
		l.MaxBufferedBytes = 32 << 20
	}
	if l.MaxGroupBytes <= 0 {
		l.MaxGroupBytes = 256 << 10
	}
	if l.EnqueueWait <= 0 {
		l.EnqueueWait = 100 * time.Millisecond
	}
	if l.MaxSaleBytes <= 0 {
		l.MaxSaleBytes = defaultMaxSaleBytes
	}
	return l
}

// Journal appends records of queue and reservation, opaque here, to penstock.journal.<sale>.<bytes>.
//
// One writer takes what is buffered, in the order of arrival, a message a sale; what arrives
// meanwhile travels in the next. A message that was not acknowledged is sent again under the same
// id, before anything newer, until it is: so the records of one node and one sale are in the
// journal in the order in which they were handed over, and (the server's duplicate window of 30 s
// permitting) once.
//
// Each sale has a quota on the server. A sale at its quota is refused with ErrJournalFull; nothing
// old is dropped for it, and no other sale is affected.
type Journal struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	quotas *quotas
	// maxMessage is how many bytes of records one message may have now.
	maxMessage func() int
	log        *slog.Logger
	metrics    *Metrics
	limits     JournalLimits

	room     *semaphore.Weighted
	mu       sync.Mutex
	waiting  []entry
	closed   bool
	wake     chan struct{}
	stop     context.CancelFunc
	stopped  chan struct{}
	lastDrop atomic.Int64 // unix nanoseconds of the last complaint
}

type entry struct {
	sale    string
	records [][]byte
	weight  int64
	done    chan error // nil when nobody waits; gets nil once durable
}

func newJournal(b *Broker) *Journal {
	limits := b.opts.journalLimits.withDefaults()
	ctx, stop := context.WithCancel(context.Background())
	j := &Journal{
		js: b.js, stream: b.records, log: b.log, metrics: b.opts.metrics, limits: limits,
		maxMessage: func() int { return b.maxMessageBytes(b.records) },
		room:       semaphore.NewWeighted(limits.MaxBufferedBytes),
		wake:       make(chan struct{}, 1), stop: stop, stopped: make(chan struct{}),
	}
	j.quotas = newQuotas(limits.MaxSaleBytes, func(ctx context.Context, saleID string) (int64, error) {
		return saleBytes(ctx, j.stream, saleID)
	})
	go j.run(ctx)
	go j.quotas.run(ctx)
	return j
}

// Append returns when the records are durable. It waits at most 5 s, or until ctx ends; with an
// error the records are not in the journal yet, and may still get there: what is handed over is
// written in the end. ErrJournalFull (the buffer is full, or the sale has used up its quota and an
// eighth more) and ErrRecordTooLarge mean that nothing was handed over. Whoever makes new holds asks
// Full before.
func (j *Journal) Append(ctx context.Context, saleID string, records [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, journalAppendMost)
	defer cancel()
	e, err := j.newEntry(saleID, records)
	if err != nil {
		return err
	}
	if j.quotas.overfull(saleID) {
		return fmt.Errorf("journal of %s: %w", saleID, ErrJournalFull)
	}
	e.done = make(chan error, 1)
	if !j.room.TryAcquire(e.weight) {
		return fmt.Errorf("journal of %s: %w", saleID, ErrJournalFull)
	}
	if err := j.push(e); err != nil {
		return err
	}
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("journal of %s: not acknowledged in time: %w", saleID, ctx.Err())
	case <-j.stopped:
		return fmt.Errorf("journal of %s: %w", saleID, ErrJournalClosed)
	}
}

// Enqueue hands records over to be written soon. It does not wait for that. Only when the buffer
// is full, which takes seconds of a dead or overwhelmed server, it blocks the caller for at most
// EnqueueWait (100 ms); with no room even then, or with a sale that has used up its quota and an
// eighth more, the records are dropped, counted in penstock_journal_dropped_total, logged, and the
// error says why: ErrJournalFull, ErrJournalClosed or ErrRecordTooLarge.
func (j *Journal) Enqueue(saleID string, records [][]byte) error {
	e, err := j.newEntry(saleID, records)
	if err == nil && j.quotas.overfull(saleID) {
		err = ErrJournalFull
	}
	if err == nil {
		err = j.makeRoom(e.weight)
	}
	if err == nil {
		err = j.push(e)
	}
	if err != nil {
		j.drop(saleID, len(records), err)
		return fmt.Errorf("journal of %s: %w", saleID, err)
	}
	return nil
}

// Full reports whether the journal takes nothing new for the sale: it is at its quota, or the whole
// stream is full. It asks nobody, and may be asked for each request.
func (j *Journal) Full(saleID string) bool { return j.quotas.full(saleID) }

// Flush returns when everything handed over before is durable.
func (j *Journal) Flush(ctx context.Context) error {
	e := entry{done: make(chan error, 1)}
	if err := j.push(e); err != nil {
		return err
	}
	select {
	case err := <-e.done:
		return err
	case <-j.stopped:
		return ErrJournalClosed
	case <-ctx.Done():
		return fmt.Errorf("journal: flush: %w", ctx.Err())
	}
}

func (j *Journal) newEntry(saleID string, records [][]byte) (entry, error) {
	weight, most := int64(entryOverhead), j.maxMessage()
	for _, r := range records {
		if recordBytes(len(r)) > most {
			return entry{}, fmt.Errorf("journal of %s: %w: %d bytes, limit %d", saleID, ErrRecordTooLarge, len(r), most)
		}
		weight += int64(recordBytes(len(r)))
	}
	if weight > maxJournalEntry {
		return entry{}, fmt.Errorf("journal of %s: %w: %d bytes, limit %d", saleID, ErrRecordTooLarge, weight, maxJournalEntry)
	}
	return entry{sale: saleID, records: records, weight: weight}, nil
}

func (j *Journal) makeRoom(weight int64) error {
	if j.room.TryAcquire(weight) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), j.limits.EnqueueWait)
	defer cancel()
	if j.room.Acquire(ctx, weight) != nil {
		return ErrJournalFull
	}
	return nil
}

func (j *Journal) push(e entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		j.room.Release(e.weight)
		return ErrJournalClosed
	}
	j.waiting = append(j.waiting, e)
	if len(e.records) > 0 {
		j.quotas.add(e.sale, e.weight)
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return nil
}

func (j *Journal) drop(saleID string, records int, why error) {
	j.metrics.journalDropped.Add(float64(records))
	now, last := time.Now().UnixNano(), j.lastDrop.Load()
	if now-last > int64(complainEvery) && j.lastDrop.CompareAndSwap(last, now) {
		j.log.Error("journal records dropped: these reservations would not survive a loss of Redis", "sale", saleID, "records", records, "error", why)
	}
}

func (j *Journal) run(ctx context.Context) {
	defer close(j.stopped)
	for {
		taken, closed := j.take()
		if len(taken) > 0 {
			if !j.write(ctx, taken) {
				return
			}
			continue
		}
		if closed {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
		}
	}
}

// take removes the oldest entries, up to a bound in bytes.
func (j *Journal) take() (taken []entry, closed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n, size := 0, int64(0)
	for n < len(j.waiting) && (n == 0 || size+j.waiting[n].weight <= j.limits.MaxGroupBytes) {
		size += j.waiting[n].weight
		n++
	}
	taken = append(taken, j.waiting[:n]...)
	rest := copy(j.waiting, j.waiting[n:])
	clear(j.waiting[rest:])
	j.waiting = j.waiting[:rest]
	return taken, j.closed
}

// close refuses new records and writes those that wait, until ctx ends.
func (j *Journal) close(ctx context.Context) error {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
	select {
	case <-j.stopped:
	case <-ctx.Done():
		j.stop()
		<-j.stopped
	}
	j.stop()
	<-j.quotas.closed
	j.mu.Lock()
	defer j.mu.Unlock()
	if left := len(j.waiting); left > 0 {
		return fmt.Errorf("journal: %d entries were not written", left)
	}
	return nil
}
