package checkout

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"
)

// JournalLimits bounds a node's journal. Zero values take the defaults.
type JournalLimits struct {
	MaxBufferedBytes int64         // records waiting to be written; default 32 MiB
	MaxGroupBytes    int64         // written at a time; default 256 KiB
	EnqueueWait      time.Duration // how long Enqueue blocks on a full buffer; default 100 ms
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
	ErrJournalFull    = errors.New("checkout: the journal's buffer is full")
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
	return l
}

// Journal appends records of queue and reservation, opaque here, to penstock.journal.<sale>.
//
// One writer takes what is buffered, in the order of arrival, a message a sale; what arrives
// meanwhile travels in the next. A message that was not acknowledged is sent again under the same
// id, before anything newer, until it is: so the records of one node and one sale are in the
// journal in the order in which they were handed over, and (the server's duplicate window of 30 s
// permitting) once.
type Journal struct {
	js      jetstream.JetStream
	stream  jetstream.Stream
	log     *slog.Logger
	metrics *Metrics
	limits  JournalLimits

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
	done    chan struct{} // nil when nobody waits; closed once durable
}

func newJournal(js jetstream.JetStream, stream jetstream.Stream, log *slog.Logger, m *Metrics, limits JournalLimits) *Journal {
	limits = limits.withDefaults()
	ctx, stop := context.WithCancel(context.Background())
	j := &Journal{
		js: js, stream: stream, log: log, metrics: m, limits: limits,
		room: semaphore.NewWeighted(limits.MaxBufferedBytes),
		wake: make(chan struct{}, 1), stop: stop, stopped: make(chan struct{}),
	}
	go j.run(ctx)
	return j
}

// Append returns when the records are durable. It waits at most 5 s, or until ctx ends; with an
// error the records are not in the journal yet, and may still get there: what is handed over is
// written in the end. ErrJournalFull and ErrRecordTooLarge mean that nothing was handed over.
func (j *Journal) Append(ctx context.Context, saleID string, records [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, journalAppendMost)
	defer cancel()
	e, err := newEntry(saleID, records)
	if err != nil {
		return err
	}
	e.done = make(chan struct{})
	if !j.room.TryAcquire(e.weight) {
		return fmt.Errorf("journal of %s: %w", saleID, ErrJournalFull)
	}
	if err := j.push(e); err != nil {
		return err
	}
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("journal of %s: not acknowledged in time: %w", saleID, ctx.Err())
	case <-j.stopped:
		return fmt.Errorf("journal of %s: %w", saleID, ErrJournalClosed)
	}
}

// Enqueue hands records over to be written soon. It does not wait for that. Only when the buffer
// is full, which takes seconds of a dead or overwhelmed server, it blocks the caller for at most
// EnqueueWait (100 ms); with no room even then the records are dropped, counted in
// penstock_journal_dropped_total and logged.
func (j *Journal) Enqueue(saleID string, records [][]byte) {
	e, err := newEntry(saleID, records)
	if err == nil {
		err = j.makeRoom(e.weight)
	}
	if err == nil {
		err = j.push(e)
	}
	if err != nil {
		j.drop(saleID, len(records), err)
	}
}

// Flush returns when everything handed over before is durable.
func (j *Journal) Flush(ctx context.Context) error {
	e := entry{done: make(chan struct{})}
	if err := j.push(e); err != nil {
		return err
	}
	select {
	case <-e.done:
		return nil
	case <-j.stopped:
		return ErrJournalClosed
	case <-ctx.Done():
		return fmt.Errorf("journal: flush: %w", ctx.Err())
	}
}

func newEntry(saleID string, records [][]byte) (entry, error) {
	weight := int64(entryOverhead)
	for _, r := range records {
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

// write does not return before the entries are durable, unless ctx ends: then it returns false.
func (j *Journal) write(ctx context.Context, taken []entry) bool {
	messages := j.messages(taken)
	for pause, complained := retryFirst, (time.Time{}); len(messages) > 0; pause = min(2*pause, retryMost) {
		left, why := j.publish(ctx, messages)
		if messages = left; len(left) == 0 {
			break
		}
		if time.Since(complained) > complainEvery {
			j.log.Warn("the journal is not being acknowledged; trying again", "messages", len(left), "error", why)
			complained = time.Now()
		}
		if !sleep(ctx, jittered(pause)) {
			return false
		}
	}
	for _, e := range taken {
		j.metrics.journalRecords.Add(float64(len(e.records)))
		j.room.Release(e.weight)
		if e.done != nil {
			close(e.done)
		}
	}
	return true
}

// publish sends the messages once, and returns those to be sent again.
func (j *Journal) publish(ctx context.Context, messages []*nats.Msg) (left []*nats.Msg, why error) {
	for i, failed := range publishAll(ctx, j.js, messages) {
		if failed != nil {
			left, why = append(left, messages[i]), failed
		}
	}
	j.metrics.journalGroups.Add(float64(len(messages) - len(left)))
	j.metrics.journalRetries.Add(float64(len(left)))
	return left, why
}

// messages packs the entries into one message a sale. More than one of a sale could overtake each
// other when the first has to be sent again.
func (j *Journal) messages(taken []entry) []*nats.Msg {
	var sales []string
	bodies := map[string][]byte{}
	for _, e := range taken {
		if len(e.records) == 0 {
			continue
		}
		body, known := bodies[e.sale]
		if !known {
			sales = append(sales, e.sale)
			body = newBatch(0)
		}
		for _, r := range e.records {
			body = appendRecord(body, r)
		}
		bodies[e.sale] = body
	}
	messages := make([]*nats.Msg, len(sales))
	for i, saleID := range sales {
		messages[i] = &nats.Msg{
			Subject: journalSubject + saleID, Data: bodies[saleID],
			Header: nats.Header{jetstream.MsgIDHeader: []string{rand.Text()}},
		}
	}
	return messages
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
	defer j.stop()
	select {
	case <-j.stopped:
	case <-ctx.Done():
		j.stop()
		<-j.stopped
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if left := len(j.waiting); left > 0 {
		return fmt.Errorf("journal: %d entries were not written", left)
	}
	return nil
}
