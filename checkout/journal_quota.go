package checkout

import (
	"context"
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	defaultMaxSaleBytes = 128 << 20
	// quotaEvery is how often the server is asked for what a sale occupies, at most.
	quotaEvery = time.Second
	// storedOverhead is what the server keeps of a message beside its records: the subject, the id
	// and its own frame.
	storedOverhead = 160
	// reserveShare is the part of a quota that is kept for what ends holds: a full journal refuses
	// new holds, and still takes the releases of those that exist.
	reserveShare = 8
)

// quotas knows what each sale occupies in the journal: what the server told, and what this node has
// handed over since. What other nodes write is known within a second of this node's own writing.
type quotas struct {
	most int64
	// ask reads from the server how many bytes a sale occupies.
	ask func(ctx context.Context, saleID string) (int64, error)
	// streamFull is set while the server refuses messages because the whole stream is full.
	streamFull atomic.Bool

	mu     sync.Mutex
	sales  map[string]*usage
	wake   chan struct{}
	closed chan struct{}
}

type usage struct {
	told    int64 // by the server
	written int64 // handed over here since
	changed bool  // since the server was asked
}

func newQuotas(most int64, ask func(context.Context, string) (int64, error)) *quotas {
	return &quotas{most: most, ask: ask, sales: map[string]*usage{}, wake: make(chan struct{}, 1), closed: make(chan struct{})}
}

// full reports whether the sale is at its quota.
func (q *quotas) full(saleID string) bool { return q.beyond(saleID, q.most) }

// overfull reports whether even the reserve is used up.
func (q *quotas) overfull(saleID string) bool { return q.beyond(saleID, q.most+q.most/reserveShare) }

func (q *quotas) beyond(saleID string, bound int64) bool {
	if q.streamFull.Load() {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.sales[saleID]
	return u != nil && u.told+u.written >= bound
}

// add counts what is handed over for a sale.
func (q *quotas) add(saleID string, bytes int64) {
	q.mu.Lock()
	u := q.sales[saleID]
	if u == nil {
		u = &usage{}
		q.sales[saleID] = u
	}
	u.written += bytes
	u.changed = true
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// run asks the server about the sales that were written to, at most once a second each, and about
// the full ones, until they are not. While nothing is written it asks nothing.
func (q *quotas) run(ctx context.Context) {
	defer close(q.closed)
	for again := false; ; {
		if !again {
			select {
			case <-ctx.Done():
				return
			case <-q.wake:
			}
		}
		again = q.refresh(ctx)
		if !sleep(ctx, quotaEvery) {
			return
		}
	}
}

// refresh returns whether to ask again although nothing is written.
func (q *quotas) refresh(ctx context.Context) (again bool) {
	for _, saleID := range q.toAsk() {
		before := q.take(saleID)
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		bytes, err := q.ask(ctx, saleID)
		cancel()
		q.mu.Lock()
		u := q.sales[saleID]
		if err != nil {
			u.changed, again = true, true
		} else {
			u.told, u.written = bytes, u.written-before
			again = again || u.told+u.written >= q.most
			if u.told == 0 && u.written == 0 && !u.changed { // forgotten, or grown old
				delete(q.sales, saleID)
			}
		}
		q.mu.Unlock()
	}
	return again
}

func (q *quotas) toAsk() (sales []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for saleID, u := range q.sales {
		if u.changed || u.told+u.written >= q.most {
			sales = append(sales, saleID)
		}
	}
	return sales
}

// take returns what was handed over until now, which the server's next answer counts. What is still
// on its way to the server is then missing for a moment.
func (q *quotas) take(saleID string) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.sales[saleID]
	u.changed = false
	return u.written
}

// journalSubjectOf names a sale and the size of a message: penstock.journal.<sale>.<bytes>, so that
// the bytes of a sale can be counted by asking for its subjects. Sizes are rounded up to one of eight
// steps between two powers of two: few subjects, and at most an eighth too much.
func journalSubjectOf(saleID string, bytes int) string {
	return journalSubject + saleID + "." + strconv.Itoa(roundUp(bytes+storedOverhead))
}

func roundUp(n int) int {
	step := 1 << max(0, bits.Len(uint(n))-4)
	return (n + step - 1) / step * step
}

// saleBytes asks the server what a sale occupies.
func saleBytes(ctx context.Context, stream jetstream.Stream, saleID string) (int64, error) {
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(journalSubject+saleID+".*"))
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for subject, messages := range info.State.Subjects {
		bytes, err := strconv.ParseInt(strings.TrimPrefix(subject, journalSubject+saleID+"."), 10, 64)
		if err == nil {
			total += bytes * int64(messages)
		}
	}
	return total, nil
}
