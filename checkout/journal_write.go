package checkout

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// write does not return before the entries are durable, unless ctx ends: then it returns false.
func (j *Journal) write(ctx context.Context, taken []entry) bool {
	fitting, refusals := j.fitting(taken)
	for _, round := range messages(fitting, j.maxMessage()) {
		if !j.writeRound(ctx, round) {
			return false
		}
	}
	for i, e := range taken {
		j.room.Release(e.weight)
		if refusals[i] != nil {
			j.drop(e.sale, len(e.records), refusals[i])
		} else {
			j.metrics.journalRecords.Add(float64(len(e.records)))
		}
		if e.done != nil {
			e.done <- refusals[i]
		}
	}
	return true
}

// fitting returns the entries that the server still takes, and the refusal of each that it does not,
// because it takes less than when the entry was handed over.
func (j *Journal) fitting(taken []entry) (fitting []entry, refusals []error) {
	refusals = make([]error, len(taken))
	for i, e := range taken {
		if _, refusals[i] = j.newEntry(e.sale, e.records); refusals[i] == nil {
			fitting = append(fitting, e)
		}
	}
	return fitting, refusals
}

func (j *Journal) writeRound(ctx context.Context, messages []*nats.Msg) bool {
	for pause, complained := retryFirst, (time.Time{}); ; pause = min(2*pause, retryMost) {
		left, why := j.publish(ctx, messages)
		j.quotas.streamFull.Store(errors.Is(why, ErrLogFull))
		if messages = left; len(left) == 0 {
			return true
		}
		if time.Since(complained) > complainEvery {
			j.log.Warn("the journal is not being acknowledged; trying again", "messages", len(left), "error", why)
			complained = time.Now()
		}
		if !sleep(ctx, jittered(pause)) {
			return false
		}
	}
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

// messages packs the entries into rounds with one message a sale in each. More than one of a sale at
// a time could overtake each other when the first has to be sent again; so what does not fit a
// message of mostBytes goes in the next round.
func messages(taken []entry, mostBytes int) (rounds [][]*nats.Msg) {
	p := packer{mostBytes: mostBytes, bodies: map[string][][]byte{}}
	for _, e := range taken {
		for _, r := range e.records {
			p.add(e.sale, r)
		}
	}
	for _, saleID := range p.sales {
		for at, body := range p.bodies[saleID] {
			if at == len(rounds) {
				rounds = append(rounds, nil)
			}
			rounds[at] = append(rounds[at], &nats.Msg{
				Subject: journalSubjectOf(saleID, len(body)), Data: body,
				Header: nats.Header{jetstream.MsgIDHeader: []string{rand.Text()}},
			})
		}
	}
	return rounds
}

// packer fills messages with records, sale by sale.
type packer struct {
	mostBytes int
	sales     []string
	bodies    map[string][][]byte
}

func (p *packer) add(saleID string, record []byte) {
	bodies, known := p.bodies[saleID]
	if !known {
		p.sales = append(p.sales, saleID)
	}
	last := len(bodies) - 1
	if last < 0 || len(bodies[last])+recordBytes(len(record)) > p.mostBytes {
		bodies, last = append(bodies, newBatch(0)), last+1
	}
	bodies[last] = appendRecord(bodies[last], record)
	p.bodies[saleID] = bodies
}
