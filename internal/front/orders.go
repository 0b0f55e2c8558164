package front

import (
	"context"
	"errors"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
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
		return err
	}
	saleID, _, _, err := reservation.ParseID(parsed.Reservation)
	if err != nil {
		return err
	}
	c.sale = []byte(saleID)
	if c.entry, err = s.find(saleID, problem.UnknownReservation); err != nil {
		return err
	}
	if err := intact(c.entry); err != nil {
		return err
	}
	who, err := s.claimant(c, parsed.Reservation)
	if err != nil {
		return err
	}
	scope := who.scope(c.sale, parsed.Reservation)
	hash := s.keys.hash([]byte("order"), []byte(scope), []byte(key))
	if err := s.keys.begin(hash); err != nil {
		return err
	}
	defer s.keys.end(hash)
	return s.accept(c, checkout.OrderRequest{
		Reservation: parsed.Reservation, IdempotencyKey: scope + " " + key,
		By: who.proof(), CustomerDoc: parsed.Customer, PaymentRef: parsed.PaymentRef, Metadata: parsed.Metadata,
	})
}

func (s *Server) accept(c *call, req checkout.OrderRequest) error {
	ctx, cancel := within(orderTimeout)
	defer cancel()
	accepted, err := s.Desk.Accept(ctx, c.entry.Stock(), c.entry.Record(), req)
	if err != nil {
		return err
	}
	s.slots.giveBack(c.entry, accepted.Bearer, accepted.PassUntil)
	order := checkout.Stored{Order: accepted.Order, Status: reservation.OrderQueued}
	c.buf = appendOrder(c.buf, &order)
	if accepted.Again {
		c.sendJSON(200)
		return nil
	}
	c.sendJSON(202)
	return nil
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
