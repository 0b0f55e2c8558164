package checkout

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/penstock/penstock/internal/batch"
)

// LogOptions bounds an order log on this node. Zero values take the defaults.
type LogOptions struct {
	MaxGroupOrders int // orders in one message; default 512
	MaxGroupBytes  int // bytes in one message; default 256 KiB; a longer record travels alone
	MaxWaiting     int // callers that may wait; default 16384; the next gets batch.ErrFull
	MaxInFlight    int // groups being written at a time; default 1, which measured best: the larger groups win
}

// MaxOrderBytes bounds one record of the order log, unless the server takes less.
const MaxOrderBytes = 256 << 10

// messageOverhead is what a message of either stream has beside its records, at most.
const messageOverhead = 256

// ErrOrderTooLarge says that a record is longer than MaxRecordBytes.
var ErrOrderTooLarge = errors.New("checkout: the order is too large for the log")

func (o LogOptions) withDefaults() LogOptions {
	if o.MaxGroupOrders <= 0 {
		o.MaxGroupOrders = 512
	}
	if o.MaxGroupBytes <= 0 {
		o.MaxGroupBytes = 256 << 10
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 1
	}
	return o
}

// Log is the writing end of the order log. Orders that arrive while a group is being written
// travel together in the next; an order that meets an idle log is written at once.
type Log struct {
	b        *Broker
	opts     LogOptions
	metrics  *Metrics
	combiner *batch.Combiner[[]byte, error]
}

// OrderLog opens the writing end. Close it before the broker.
func (b *Broker) OrderLog(opts LogOptions) *Log {
	l := &Log{b: b, opts: opts.withDefaults(), metrics: b.opts.metrics}
	l.combiner = batch.New(batch.Options{
		MaxBatch: l.opts.MaxGroupOrders, MaxWaiting: l.opts.MaxWaiting, MaxRuns: l.opts.MaxInFlight,
	}, l.write)
	return l
}

// MaxRecordBytes is the longest record that the log takes now: MaxOrderBytes, or less if the
// server's max_payload, or the stream's max_msg_size, is smaller.
func (l *Log) MaxRecordBytes() int { return l.b.maxOrderBytes() }

// Append puts one order's record into the log and returns when JetStream has acknowledged it,
// which on a server that syncs always is after the fsync. On an error other than ErrOrderTooLarge,
// ErrLogFull, batch.ErrFull and batch.ErrClosed the order may or may not be in the log: appending
// it again is right. The record is not copied, and must not change until Append returns nil.
func (l *Log) Append(ctx context.Context, record []byte) error {
	if most := l.MaxRecordBytes(); len(record) > most {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrOrderTooLarge, len(record), most)
	}
	failed, err := l.combiner.Do(ctx, record)
	if err == nil {
		err = failed
	}
	if err != nil {
		l.metrics.appendFailures.Inc()
		return fmt.Errorf("order log: %w", err)
	}
	return nil
}

// Close refuses new orders and returns when those that wait are written or failed.
func (l *Log) Close() { l.combiner.Close() }

// write publishes one run of the combiner: one message, or a few when the bytes do not fit.
// Each caller gets the result of its own message.
func (l *Log) write(ctx context.Context, records [][]byte) ([]error, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	messages, counts := l.group(records)
	started := time.Now()
	failures := publishAll(ctx, l.b.js, messages)
	l.metrics.appendSeconds.Observe(time.Since(started).Seconds())

	results := make([]error, 0, len(records))
	for i, failed := range failures {
		if failed == nil {
			l.metrics.groupsAppended.Inc()
			l.metrics.ordersAppended.Add(float64(counts[i]))
		}
		for range counts[i] {
			results = append(results, failed)
		}
	}
	return results, nil
}

// group packs consecutive records into messages, and tells how many are in each.
func (l *Log) group(records [][]byte) (messages []*nats.Msg, counts []int) {
	most := min(l.opts.MaxGroupBytes, l.b.maxMessageBytes(l.b.orders))
	for from := 0; from < len(records); {
		size, to := 0, from
		for to < len(records) && (to == from || size+recordBytes(len(records[to])) <= most) {
			size += recordBytes(len(records[to]))
			to++
		}
		body := newBatch(size)
		for _, r := range records[from:to] {
			body = appendRecord(body, r)
		}
		messages = append(messages, &nats.Msg{Subject: orderSubject + strconv.Itoa(to-from), Data: body})
		counts = append(counts, to-from)
		from = to
	}
	return messages, counts
}
