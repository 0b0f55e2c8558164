package reservation

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
)

// found is the answer of a script that deals with one reservation.
type found struct {
	answer    int64
	nowMillis int64
	record    record
}

var errAnswer = errors.New("reservation: a script's answer cannot be read")

func readFound(result rueidis.RedisResult) (found, error) {
	answer, err := result.ToArray()
	if err != nil {
		return found{}, err
	}
	if len(answer) == 0 {
		return found{}, errAnswer
	}
	var f found
	if f.answer, err = answer[0].AsInt64(); err != nil || len(answer) < 3 {
		return f, err
	}
	if f.nowMillis, err = answer[1].AsInt64(); err != nil {
		return f, err
	}
	text, err := answer[2].ToString()
	if err != nil {
		return f, err
	}
	f.record, err = parseRecord(text)
	return f, err
}

// address is what the scripts need to find a reservation.
type address struct{ core, key, epoch string }

// locate finds a reservation of this sale by its id.
func (s *Stock) locate(p *plan, id string) (address, error) {
	saleID, epoch, core, err := ParseID(id)
	if err != nil {
		return address{}, err
	}
	if saleID != s.sale {
		return address{}, problem.UnknownReservation
	}
	return address{core: core, key: p.records + core, epoch: strconv.FormatInt(epoch, 10)}, nil
}

// one runs a script on one reservation.
func (s *Stock) one(ctx context.Context, script *redis.Script, keys []string, args ...string) (found, error) {
	f, err := readFound(script.Exec(ctx, s.deps.Redis, keys, args))
	if err != nil {
		return f, s.failed(script.Name(), err)
	}
	return f, nil
}

// Release gives the units of a held reservation back at once. Releasing twice is no error; first tells that it was
// not released before. Codes: unknown_reservation, not_the_holder, already_resolved (it is an order),
// reservation_expired, unavailable.
func (s *Stock) Release(ctx context.Context, id string, by Proof) (first bool, err error) {
	p := s.plan.Load()
	at, err := s.locate(p, id)
	if err != nil {
		return false, err
	}
	keys := []string{s.keys.stock, s.keys.customers, s.keys.due, s.keys.made, at.key}
	f, err := s.one(ctx, releaseScript, keys, p.epoch, at.epoch, at.core, p.records, by.word(), decimal(s.asideMillis()))
	if err != nil {
		return false, err
	}
	const unknown, confirmed, expired, before, foreign = 3, 4, 5, 6, 7
	switch f.answer {
	case answerOK:
		p.open()
		s.releases.charge(f.record.bearer, time.Since(s.born))
		return true, s.tell(ctx, kindReleased, at.core, &f.record)
	case before: // the one who released it may have failed to journal that
		return false, s.journal(ctx, kindReleased, at.core, &f.record)
	case unknown:
		return false, problem.UnknownReservation
	case confirmed:
		return false, problem.With(problem.AlreadyResolved, "the reservation is an order")
	case expired:
		return false, problem.ReservationExpired
	case foreign:
		return false, notTheHolder()
	}
	return false, s.refused(f.answer)
}
