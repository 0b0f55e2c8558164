package reservation

import (
	"context"

	"github.com/penstock/penstock/internal/problem"
)

// Extend gives a held reservation its full time again, counted from now, as often as the sale's
// terms allow. Codes: unknown_reservation, not_the_holder, already_resolved, reservation_expired,
// extension_refused, unavailable.
func (s *Stock) Extend(ctx context.Context, id string, by Proof) (Reservation, error) {
	p := s.plan.Load()
	at, err := s.locate(p, id)
	if err != nil {
		return Reservation{}, err
	}
	keys := []string{s.keys.stock, s.keys.due, at.key}
	f, err := s.one(ctx, extendScript, keys, p.epoch, at.epoch, at.core, by.word())
	if err != nil {
		return Reservation{}, err
	}
	const unknown, resolved, expired, spent, foreign = 3, 4, 5, 6, 7
	switch f.answer {
	case answerOK:
		if err := s.tell(ctx, kindExtended, at.core, &f.record); err != nil {
			return Reservation{}, err
		}
		return f.record.reservation(s.sale, at.core, f.nowMillis)
	case unknown:
		return Reservation{}, problem.UnknownReservation
	case resolved:
		return Reservation{}, problem.AlreadyResolved
	case expired:
		return Reservation{}, problem.ReservationExpired
	case spent:
		return Reservation{}, problem.With(problem.ExtensionRefused, "the reservation has been extended as often as possible")
	case foreign:
		return Reservation{}, notTheHolder()
	}
	return Reservation{}, s.refused(f.answer)
}

// Get reads a reservation, and with it what is known of its order. A released or expired one is kept
// for 15 minutes, an order for 24 hours once it is in the ledger or has failed. Codes: unknown_reservation,
// unavailable.
func (s *Stock) Get(ctx context.Context, id string) (Reservation, error) {
	p := s.plan.Load()
	at, err := s.locate(p, id)
	if err != nil {
		return Reservation{}, err
	}
	f, err := s.one(ctx, getScript, []string{s.keys.stock, at.key}, p.epoch)
	if err != nil {
		return Reservation{}, err
	}
	const unknown = 3
	switch f.answer {
	case answerOK:
	case unknown:
		return Reservation{}, problem.UnknownReservation
	default:
		return Reservation{}, s.refused(f.answer)
	}
	res, err := f.record.reservation(s.sale, at.core, f.nowMillis)
	if err != nil || res.ID != id {
		return Reservation{}, problem.UnknownReservation
	}
	return res, nil
}
