package reservation

import (
	"context"
	"encoding/hex"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
)

// Confirmation asks to turn a held reservation into an order.
type Confirmation struct {
	ReservationID string
	// IdempotencyKey of the order; it should already tell apart callers who choose keys on their own.
	IdempotencyKey string
	PayloadHash    [16]byte
	By             Proof
	// Order is what the order log is to get; kept in the outbox until Published.
	Order []byte
}

// Confirmed is a reservation that is an order.
type Confirmed struct {
	Reservation Reservation
	// Again: it was confirmed before, by the same request.
	Again bool
	// Order is what the outbox holds, and nil when Published.
	Order []byte
	// Epoch is the epoch of the stock at that moment.
	Epoch int64
	// Published: the order has left the outbox, so it is durable in the order log. Otherwise it is not
	// known to be.
	Published bool
}

// order is a Confirmation ready for the script.
type order struct {
	at           address
	key, payload string
	proof        string
	bytes        []byte
	plan         *plan
}

type verdict struct {
	confirmed Confirmed
	err       error
}

// confirmMostBytes bounds the orders that travel in one script call.
const confirmMostBytes = 4 << 20

// Confirm turns a held reservation into an order and puts the order into the outbox, in one step.
// The same request again gives the same order (Again). It works while the sale is paused and after
// its end, until the reservation expires. Codes: bad_request, unknown_reservation, not_the_holder,
// reservation_expired, already_resolved (released), already_ordered (with another payload under
// another key), idempotency_mismatch, overloaded, unavailable.
func (s *Stock) Confirm(ctx context.Context, c Confirmation) (Confirmed, error) {
	one, err := s.prepareOrder(&c)
	if err != nil {
		return Confirmed{}, err
	}
	got, err := s.confirms.Do(ctx, one)
	if err == nil {
		err = got.err
	}
	if err != nil {
		return Confirmed{}, waited("confirm", err)
	}
	return got.confirmed, nil
}

func (s *Stock) prepareOrder(c *Confirmation) (*order, error) {
	p := s.plan.Load()
	at, err := s.locate(p, c.ReservationID)
	if err != nil {
		return nil, err
	}
	if c.IdempotencyKey == "" || len(c.Order) == 0 || len(c.Order) > confirmMostBytes {
		return nil, problem.BadRequest
	}
	return &order{
		at: at, key: hashText(c.IdempotencyKey), payload: hex.EncodeToString(c.PayloadHash[:]),
		proof: c.By.word(), bytes: c.Order, plan: p,
	}, nil
}

// runConfirm decides a batch with as few script calls as its size allows.
func (s *Stock) runConfirm(ctx context.Context, orders []*order) ([]verdict, error) {
	out := make([]verdict, 0, len(orders))
	for len(orders) > 0 {
		n, size := 0, 0
		for n < len(orders) && (n == 0 || size+len(orders[n].bytes) <= confirmMostBytes) && orders[n].plan.epoch == orders[0].plan.epoch {
			size += len(orders[n].bytes)
			n++
		}
		part := make([]verdict, n)
		if err := s.confirmOnce(ctx, orders[:n], part); err != nil {
			for i := range part {
				part[i].err = err
			}
		}
		out = append(out, part...)
		orders = orders[n:]
	}
	return out, nil
}

func (s *Stock) confirmOnce(ctx context.Context, orders []*order, out []verdict) error {
	keys := append(make([]string, 0, 4+len(orders)), s.keys.stock, s.keys.due, s.keys.orderKeys, s.keys.outbox)
	args := append(make([]string, 0, 2+5*len(orders)), orders[0].plan.epoch, orders[0].plan.recordsLength)
	for _, o := range orders {
		keys = append(keys, o.at.key)
		args = append(args, o.at.epoch, o.key, o.payload, o.proof, string(o.bytes))
	}
	answer, err := confirmScript.Exec(ctx, s.deps.Redis, keys, args).ToArray()
	if err != nil {
		return s.failed("confirm", err)
	}
	if len(answer) == 0 {
		return errAnswer
	}
	if whole, err := answer[0].AsInt64(); err != nil || whole != answerOK {
		return s.refused(whole)
	}
	if len(answer) != 2+len(orders) {
		return errAnswer
	}
	now, err := answer[1].AsInt64()
	if err != nil {
		return err
	}
	for i := range orders {
		out[i] = s.verdict(orders[i], &answer[2+i], now)
	}
	return nil
}

func (s *Stock) verdict(o *order, m *rueidis.RedisMessage, nowMillis int64) verdict {
	if !m.IsArray() {
		n, err := m.AsInt64()
		if err != nil {
			return verdict{err: err}
		}
		return verdict{err: confirmRefusal(n)}
	}
	parts, err := m.ToArray()
	if err != nil || len(parts) < 2 {
		return verdict{err: errAnswer}
	}
	kind, err := parts[0].AsInt64()
	if err != nil {
		return verdict{err: err}
	}
	text, err := parts[1].ToString()
	if err != nil {
		return verdict{err: err}
	}
	r, err := parseRecord(text)
	if err != nil {
		return verdict{err: err}
	}
	const now, published, waiting = 0, 1, 2
	c := Confirmed{Again: kind != now, Published: kind == published, Epoch: o.plan.rec.Epoch}
	switch {
	case kind == now:
		c.Order = o.bytes
	case kind == waiting && len(parts) == 3:
		if c.Order, err = parts[2].AsBytes(); err != nil {
			return verdict{err: err}
		}
	}
	c.Reservation, err = r.reservation(s.sale, o.at.core, nowMillis)
	return verdict{confirmed: c, err: err}
}

func confirmRefusal(n int64) error {
	const unknown, expired, released, ordered, mismatch, foreign = 1, 2, 3, 4, 5, 6
	switch n {
	case unknown:
		return problem.UnknownReservation
	case expired:
		return problem.ReservationExpired
	case released:
		return problem.With(problem.AlreadyResolved, "the reservation was given back")
	case ordered:
		return problem.AlreadyOrdered
	case mismatch:
		return problem.With(problem.IdempotencyMismatch, "the key was used for another order")
	case foreign:
		return notTheHolder()
	}
	return problem.With(problem.InternalError, "unknown answer "+strconv.FormatInt(n, 10))
}
