package reservation

import (
	"context"
	"fmt"

	"github.com/penstock/penstock/internal/problem"
)

// Fail marks orders that the ledger has refused for good: Get tells OrderFailed of them, their
// customers' limits are given back, and they leave the outbox. With returnUnits their units are
// available again, else they are withheld. An order that is in the ledger stays as it is, and one that
// has failed before too: it is idempotent by reservation for 24 hours. It returns how many orders are
// failed now and were not before. CommittedAtMillis of a settlement is not looked at. Codes:
// unknown_reservation, unavailable.
func (s *Stock) Fail(ctx context.Context, orders []Settlement, returnUnits bool) (failed int, err error) {
	for part := range settleParts(orders) {
		n, err := s.failOnce(ctx, part, returnUnits)
		if err != nil {
			return failed, err
		}
		failed += n
	}
	return failed, nil
}

func (s *Stock) failOnce(ctx context.Context, orders []Settlement, returnUnits bool) (int, error) {
	p := s.plan.Load()
	to := "withheld"
	if returnUnits {
		to = "available"
	}
	keys := []string{s.keys.stock, s.keys.customers, s.keys.due, s.keys.outbox}
	args := []string{p.epoch, p.recordsLength, to}
	for i := range orders {
		one := &orders[i]
		at, err := s.locate(p, one.ReservationID)
		if err != nil {
			return 0, err
		}
		keys = append(keys, at.key)
		args = append(args, at.epoch, decimal(one.OrderedAtMillis), one.CustomerKey, p.orderChannel(one.Channel), linesWord(one.Lines, one.Drawn))
	}
	answer, err := failScript.Exec(ctx, s.deps.Redis, keys, args).AsIntSlice()
	switch {
	case err != nil:
		return 0, s.failed("fail", err)
	case len(answer) == 1:
		return 0, s.refused(answer[0])
	case len(answer) != 2:
		return 0, errAnswer
	}
	if returnUnits && answer[1] > 0 {
		p.open()
	}
	return int(answer[1]), nil
}

// Reacquire takes the units of a failed order again, all or none, before the order is sent to the
// ledger once more. An order that has its units keeps them. Codes: sold_out, limit_exceeded (the
// customer has bought others meanwhile), unknown_reservation (also when it failed more than 24 hours
// ago), already_resolved (it never was an order), unavailable.
func (s *Stock) Reacquire(ctx context.Context, reservationID string) error {
	p := s.plan.Load()
	at, err := s.locate(p, reservationID)
	if err != nil {
		return err
	}
	keys := []string{s.keys.stock, s.keys.customers, s.keys.made, at.key}
	answer, err := reacquireScript.Exec(ctx, s.deps.Redis, keys, []string{p.epoch, at.epoch, at.core}).ToArray()
	if err != nil {
		return s.failed("reacquire", err)
	}
	if len(answer) == 0 {
		return errAnswer
	}
	whole, err := answer[0].AsInt64()
	if err != nil {
		return err
	}
	sku := ""
	if len(answer) > 1 {
		if sku, err = answer[1].ToString(); err != nil {
			return err
		}
	}
	return s.notReacquired(whole, sku)
}

func (s *Stock) notReacquired(answer int64, sku string) error {
	const unknown, notAnOrder, soldOut, itemLimit, saleLimit = 3, 4, 5, 6, 7
	switch answer {
	case answerOK:
		return nil
	case unknown:
		return problem.UnknownReservation
	case notAnOrder:
		return problem.With(problem.AlreadyResolved, "the reservation never was an order")
	case soldOut:
		return problem.With(problem.SoldOut, "the units of the order are not free any more", problem.F("sku", sku))
	case itemLimit:
		return problem.With(problem.LimitExceeded, fmt.Sprintf("the customer has the most of %.64q already", sku), problem.F("sku", sku))
	case saleLimit:
		return problem.With(problem.LimitExceeded, "the customer has the most of this sale already")
	}
	return s.refused(answer)
}
