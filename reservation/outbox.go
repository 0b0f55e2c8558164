package reservation

import (
	"context"
	"strconv"
	"sync"
	"time"
)

// Outgoing is an order that is not yet known to be durable.
type Outgoing struct {
	ReservationID string
	Order         []byte
}

// outboxCursor remembers how far the walk through the outbox has come, so that one call is bounded
// and all calls together see everything.
type outboxCursor struct {
	sync.Mutex
	at string
}

const (
	outboxMost      = 1000
	outboxMostBytes = 4 << 20
	publishedMost   = 4000
)

// published asks to take orders off the outbox.
type published struct {
	epoch string
	cores []string
}

// Published takes orders off the outbox, once they are durable in the order log. They were confirmed
// in the given epoch (see [Confirmed.Epoch]). Without an error the stock has not been rebuilt since, and no
// other server has taken over: whoever rebuilds it later finds the orders in the log. Concurrent calls are
// combined. Codes: unavailable.
func (s *Stock) Published(ctx context.Context, epoch int64, reservationIDs []string) error {
	one := published{epoch: strconv.FormatInt(epoch, 10), cores: make([]string, 0, len(reservationIDs))}
	for _, id := range reservationIDs {
		at, err := s.locate(s.plan.Load(), id)
		if err != nil {
			return err
		}
		one.cores = append(one.cores, at.core)
	}
	if len(one.cores) == 0 {
		return nil
	}
	refusal, err := s.publishes.Do(ctx, one)
	if err == nil {
		err = refusal
	}
	return waited("published", err)
}

// runPublish makes one call for each run of requests of one epoch. A refusal concerns these alone.
func (s *Stock) runPublish(ctx context.Context, calls []published) ([]error, error) {
	refusals := make([]error, 0, len(calls))
	for len(calls) > 0 {
		args := append(make([]string, 0, publishedMost), calls[0].epoch)
		n := 0
		for n < len(calls) && calls[n].epoch == calls[0].epoch && (n == 0 || len(args)+len(calls[n].cores) <= publishedMost) {
			args = append(args, calls[n].cores...)
			n++
		}
		answer, err := publishedScript.Exec(ctx, s.deps.Redis, []string{s.keys.stock, s.keys.outbox}, args).AsInt64()
		switch {
		case err != nil:
			err = s.failed("published", err)
		case answer != answerOK:
			err = s.refused(answer)
		}
		for range n {
			refusals = append(refusals, err)
		}
		calls = calls[n:]
	}
	return refusals, nil
}

// Outbox returns up to limit (at most 1,000) orders that have waited for longer than olderThan.
// Each call goes on where the last one of this node stopped; what it returns stays in the outbox
// until Published.
func (s *Stock) Outbox(ctx context.Context, olderThan time.Duration, limit int) ([]Outgoing, error) {
	s.outbox.Lock()
	defer s.outbox.Unlock()
	if s.outbox.at == "" {
		s.outbox.at = "0"
	}
	args := []string{
		s.outbox.at, strconv.FormatInt(olderThan.Milliseconds(), 10),
		strconv.Itoa(max(1, min(limit, outboxMost))), strconv.Itoa(outboxMostBytes),
	}
	flat, err := outboxScanScript.Exec(ctx, s.deps.Redis, []string{s.keys.stock, s.keys.outbox}, args).AsStrSlice()
	if err != nil {
		return nil, s.failed("outbox_scan", err)
	}
	if len(flat) == 1 {
		answer, err := strconv.ParseInt(flat[0], 10, 64)
		if err != nil {
			return nil, errAnswer
		}
		return nil, s.refused(answer)
	}
	if len(flat)%3 != 2 {
		return nil, errAnswer
	}
	s.outbox.at = flat[1]
	found := make([]Outgoing, 0, len(flat)/3)
	for i := 2; i+2 < len(flat); i += 3 {
		epoch, err := strconv.ParseInt(flat[i+1], 10, 64)
		if err != nil {
			return nil, errAnswer
		}
		found = append(found, Outgoing{ReservationID: makeID(s.sale, epoch, flat[i]), Order: []byte(flat[i+2])})
	}
	return found, nil
}
