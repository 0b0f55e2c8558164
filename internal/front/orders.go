package front

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/reservation"
)

// postOrders accepts an order. It answers 202 once the order is durable, and is refused for no
// load of ours: whoever comes here holds units.
func (s *Server) postOrders(c *call) error {
	key, err := idempotencyKey(c.ctx.Request.Header.PeekCanonical(headerIdempotencyKey))
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	parsed, err := parseOrder(body)
	if err != nil {
		return cmp.Or(carddata.RefuseDocument("", body), err)
	}
	if c.entry, err = s.saleToOrderFrom(parsed.Reservation); err != nil {
		return err
	}
	c.sale = []byte(c.entry.ID())
	who, err := s.claimant(c, parsed.Reservation)
	if err != nil {
		return err
	}
	accepted, err := s.accept(c.entry, &who, key, &parsed)
	if err != nil {
		return err
	}
	c.buf = appendAccepted(c.buf, &accepted)
	c.sendJSON(acceptedStatus(&accepted))
	return nil
}

// saleToOrderFrom finds the sale of a reservation that is to become an order. Errors: unknown_reservation,
// card_data, unavailable.
func (s *Server) saleToOrderFrom(reservationID string) (*salecache.Entry, error) {
	saleID, _, _, err := reservation.ParseID(reservationID)
	if err != nil {
		return nil, cmp.Or(carddata.RefuseText("/reservation", reservationID), err)
	}
	entry, err := s.find(saleID, problem.UnknownReservation)
	if err != nil {
		return nil, cmp.Or(carddata.RefuseText("/reservation", reservationID), err)
	}
	return entry, intact(entry)
}

// accept returns once the order is durable.
func (s *Server) accept(entry *salecache.Entry, who *claimant, key string, parsed *orderBody) (checkout.Accepted, error) {
	rec := entry.Record()
	scope := who.scope([]byte(rec.ID), parsed.Reservation)
	hash := s.keys.hash([]byte("order"), []byte(scope), []byte(key))
	if err := s.keys.begin(hash); err != nil {
		return checkout.Accepted{}, err
	}
	defer s.keys.end(hash)
	ctx, cancel := within(orderTimeout)
	defer cancel()
	accepted, err := s.Desk.Accept(ctx, entry.Stock(), rec, checkout.OrderRequest{
		Reservation: parsed.Reservation, IdempotencyKey: scope + " " + key,
		By: who.proof(), CustomerDoc: parsed.Customer, PaymentRef: parsed.PaymentRef, Metadata: parsed.Metadata,
	})
	if err != nil {
		return checkout.Accepted{}, err
	}
	s.slots.giveBack(entry, accepted.Bearer, accepted.PassUntil)
	return accepted, nil
}

func appendAccepted(b []byte, accepted *checkout.Accepted) []byte {
	return appendOrder(b, &checkout.Stored{Order: accepted.Order, Status: reservation.OrderQueued})
}

// acceptedStatus is 202 for a new order, 200 for one that the same request had made before.
func acceptedStatus(accepted *checkout.Accepted) int {
	if accepted.Again {
		return 200
	}
	return 202
}

// getOrder tells how an order stands. Redis knows a young one at once; the ledger knows them all.
func (s *Server) getOrder(c *call) error {
	id := string(c.id)
	reservationID, err := reservation.ReservationIDOf(id)
	if err != nil {
		return err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	order, err := s.findOrder(ctx, id, reservationID)
	if err != nil {
		return err
	}
	c.buf = appendOrder(c.buf, &order)
	c.sendJSON(200)
	return nil
}

func (s *Server) findOrder(ctx context.Context, id, reservationID string) (checkout.Stored, error) {
	young, missing := s.youngOrder(ctx, id, reservationID)
	if missing == nil {
		return young, nil
	}
	if s.lookups == nil {
		return checkout.Stored{}, missing
	}
	order, err := s.lookups.find(ctx, id)
	if errors.Is(err, problem.UnknownOrder) && !errors.Is(missing, problem.UnknownOrder) {
		return checkout.Stored{}, missing // Redis could not be asked, so nobody can say that there is none
	}
	return order, err
}

// youngOrder asks Redis. Codes: unknown_order, unavailable.
func (s *Server) youngOrder(ctx context.Context, id, reservationID string) (checkout.Stored, error) {
	saleID, _, _, err := reservation.ParseID(reservationID)
	if err != nil {
		return checkout.Stored{}, problem.UnknownOrder
	}
	entry, err := s.find(saleID, problem.UnknownOrder)
	if err != nil {
		return checkout.Stored{}, err
	}
	if err := intact(entry); err != nil {
		return checkout.Stored{}, err
	}
	r, err := entry.Stock().Get(ctx, reservationID)
	switch {
	case errors.Is(err, problem.UnknownReservation):
		return checkout.Stored{}, problem.UnknownOrder
	case err != nil:
		return checkout.Stored{}, err
	case r.OrderID != id:
		return checkout.Stored{}, problem.UnknownOrder
	}
	return storedOf(id, r), nil
}

// storedOf is what Redis knows of an order.
func storedOf(id string, r reservation.Reservation) checkout.Stored {
	o := checkout.Stored{
		Order: checkout.Order{
			ID: id, Sale: r.Sale, Reservation: r.ID, Lines: make([]checkout.Line, len(r.Lines)), CreatedAtMillis: r.OrderedAt.UnixMilli(),
		},
		Status: r.OrderStatus,
	}
	for i, line := range r.Lines {
		o.Lines[i] = checkout.Line{SKU: line.SKU, Quantity: line.Quantity}
	}
	if !r.CommittedAt.IsZero() {
		o.CommittedAtMillis = r.CommittedAt.UnixMilli()
	}
	return o
}

func appendOrder(b []byte, o *checkout.Stored) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, o.ID)
	b = append(b, `,"sale":`...)
	b = appendString(b, o.Sale)
	b = append(b, `,"reservation":`...)
	b = appendString(b, o.Reservation)
	b = append(b, `,"status":`...)
	b = appendString(b, o.Status)
	b = append(b, `,"items":`...)
	b = appendLines(b, o.Units())
	b = append(b, `,"created_at":`...)
	b = appendTime(b, time.UnixMilli(o.CreatedAtMillis))
	if o.CommittedAtMillis != 0 {
		b = append(b, `,"committed_at":`...)
		b = appendTime(b, time.UnixMilli(o.CommittedAtMillis))
	}
	return append(b, '}')
}
