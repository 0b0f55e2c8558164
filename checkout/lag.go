package checkout

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Lag is how far the ledger is behind what was accepted.
type Lag struct {
	// Pending counts orders in the log that are not both in the ledger and settled. It is exact
	// when zero; otherwise it may still count those of the last quarter of a second.
	Pending int
	// Messages is the number of messages in which they travel; exact.
	Messages int
	// OldestSeconds is the age of the oldest of them, by the server's clock.
	OldestSeconds float64
}

// Lag asks JetStream, so that any node may. It costs two requests.
func (b *Broker) Lag(ctx context.Context) (Lag, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := b.orders.Info(ctx, jetstream.WithSubjectFilter(orderSubject+">"))
	if err != nil {
		return Lag{}, fmt.Errorf("order log: %w", err)
	}
	if info.State.Msgs == 0 {
		return Lag{}, nil
	}
	floor, messages, err := b.progress(ctx, info)
	if err != nil || messages == 0 {
		return Lag{}, err
	}
	oldest := info.State.FirstTime
	if floor >= info.State.FirstSeq { // acknowledged and not trimmed yet
		msg, err := b.orders.GetMsg(ctx, floor+1)
		if err == nil {
			oldest = msg.Time
		} else if !errors.Is(err, jetstream.ErrMsgNotFound) {
			return Lag{}, fmt.Errorf("order log: %w", err)
		}
	}
	return Lag{
		Pending:       max(countOrders(info.State.Subjects), messages),
		Messages:      messages,
		OldestSeconds: math.Max(0, info.TimeStamp.Sub(oldest).Seconds()),
	}, nil
}

// progress tells how far the drain is: all messages up to floor are acknowledged, and of those in
// info that many others are not.
func (b *Broker) progress(ctx context.Context, info *jetstream.StreamInfo) (floor uint64, messages int, err error) {
	consumer, err := b.orders.Consumer(ctx, drainConsumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) { // no drain has run yet
		return 0, int(info.State.Msgs), nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("order log: drain: %w", err)
	}
	floor, messages = unacknowledged(consumer.CachedInfo(), info.State) // just fetched
	return floor, messages, nil
}

// unacknowledged goes by sequences. A consumer that is only just being set up, or recovered, has
// num_pending 0 for a moment, whatever is in the stream.
func unacknowledged(c *jetstream.ConsumerInfo, state jetstream.StreamState) (floor uint64, messages int) {
	floor = c.AckFloor.Stream
	if state.Msgs == 0 || floor >= state.LastSeq {
		return floor, 0
	}
	delivered := max(c.Delivered.Stream, floor, state.FirstSeq-1)
	return floor, max(1, int(state.LastSeq-min(delivered, state.LastSeq))+c.NumAckPending)
}

// countOrders adds up penstock.orders.<n>: n orders in each message.
func countOrders(subjects map[string]uint64) int {
	total := 0
	for subject, messages := range subjects {
		n, err := strconv.Atoi(strings.TrimPrefix(subject, orderSubject))
		if err != nil || n < 1 {
			n = 1
		}
		total += n * int(messages)
	}
	return total
}

// trimmer deletes from the order log what every drain has acknowledged.
type trimmer struct {
	b *Broker
	// acked is set when something was acknowledged since the last look.
	acked chan struct{}
}

const trimEvery = 250 * time.Millisecond

func newTrimmer(b *Broker) *trimmer { return &trimmer{b: b, acked: make(chan struct{}, 1)} }

func (t *trimmer) note() {
	select {
	case t.acked <- struct{}{}:
	default:
	}
}

func (t *trimmer) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.acked:
		}
		if !sleep(ctx, trimEvery) {
			return
		}
		done, err := t.trim(ctx)
		if err != nil && ctx.Err() == nil {
			t.b.log.Debug("the order log could not be trimmed; trying again", "error", err)
		}
		if !done {
			t.note()
		}
	}
}

// trim returns whether nothing is left for it to do until the next acknowledgement.
func (t *trimmer) trim(ctx context.Context) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := t.b.orders.Info(ctx)
	if err != nil {
		return false, err
	}
	floor, messages, err := t.b.progress(ctx, info)
	if err != nil {
		return false, err
	}
	if floor >= info.State.FirstSeq && info.State.Msgs > 0 {
		if err := t.b.orders.Purge(ctx, jetstream.WithPurgeSequence(floor+1)); err != nil {
			return false, err
		}
	}
	return messages == 0, nil
}
