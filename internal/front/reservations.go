package front

import (
	"cmp"
	"strconv"

	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/reservation"
)

// postReservations holds units for a visitor who was admitted. A crowd that meets an empty shelf is
// told so from memory, here as in reservation.Stock.
func (s *Server) postReservations(c *call) error {
	key, err := idempotencyKey(c.ctx.Request.Header.PeekCanonical(headerIdempotencyKey))
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	rec := c.entry.Record()
	if err := soldHere(&rec); err != nil {
		return err
	}
	parsed, err := parseReservation(body, rec.Reservation)
	if err != nil {
		return cmp.Or(carddata.RefuseDocument("", body), err)
	}
	who, err := s.buyer(c, &rec.Sale, &parsed)
	if err != nil {
		return err
	}
	if who.shop == nil {
		if err := s.mayReserve(c, who.ticket); err != nil {
			return err
		}
	}
	held, again, err := s.reserve(c.entry, &who, key, &parsed)
	if err != nil {
		return err
	}
	if who.passUntil.IsZero() && (!again || s.isHolder(c, &who, &held)) {
		s.giveHolder(c, held.ID)
	}
	c.buf = appendReservation(c.buf, &held)
	c.sendJSON(201)
	return nil
}

// soldHere refuses a sale in shadow mode, whose units the shop sells itself (sale_in_shadow).
func soldHere(rec *sale.Record) error {
	if rec.Shadow {
		return problem.SaleInShadow
	}
	return nil
}

// reserve holds units for a buyer. Again: the same request has made the reservation before.
func (s *Server) reserve(entry *salecache.Entry, who *buyer, key string, parsed *reservationBody) (held reservation.Reservation, again bool, err error) {
	rec := entry.Record()
	channel, err := who.channel(&rec.Sale, parsed.Channel)
	if err != nil {
		return held, false, err
	}
	hash := s.keys.hash([]byte("reserve"), []byte(rec.ID), []byte(who.scope), []byte(key))
	if err := s.keys.begin(hash); err != nil {
		return held, false, err
	}
	defer s.keys.end(hash)
	if err := intact(entry); err != nil {
		return held, false, err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	return entry.Stock().Reserve(ctx, reservation.Request{
		IdempotencyKey: key, Scope: who.scope, Customer: parsed.Customer, Channel: channel,
		Lines: parsed.Lines, Bearer: who.ticket, PassUntil: who.passUntil, PassIssued: who.passIssued,
	})
}

// isHolder reports whether somebody who repeats a request in an open sale is who made the reservation: a
// customer's name and an idempotency key can be known to others.
func (s *Server) isHolder(c *call, who *buyer, r *reservation.Reservation) bool {
	tokens, _ := c.presentedHolder()
	return who.shop != nil || who.ticket != "" && who.ticket == r.Bearer || s.Holders.Holds(r.ID, tokens...)
}

// stockOf finds the sale of a reservation's id, which names it. Errors: unknown_reservation,
// unavailable.
func (s *Server) stockOf(c *call) (id string, stock *reservation.Stock, err error) {
	id = string(c.id)
	saleID, _, _, err := reservation.ParseID(id)
	if err != nil {
		return "", nil, err
	}
	c.sale = []byte(saleID)
	if c.entry, err = s.find(saleID, problem.UnknownReservation); err != nil {
		return "", nil, err
	}
	return id, c.entry.Stock(), intact(c.entry)
}

func (s *Server) getReservation(c *call) error {
	id, stock, err := s.stockOf(c)
	if err != nil {
		return err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	found, err := stock.Get(ctx, id)
	if err != nil {
		return err
	}
	c.buf = appendReservation(c.buf, &found)
	c.sendJSON(200)
	return nil
}

// deleteReservation gives the units back at once.
func (s *Server) deleteReservation(c *call) error {
	id, stock, err := s.stockOf(c)
	if err != nil {
		return err
	}
	who, err := s.claimant(c, id)
	if err != nil {
		return err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	first, err := stock.Release(ctx, id, who.proof())
	if err != nil {
		return err
	}
	if first && who.shop == nil {
		s.gaveBack(c)
	}
	c.sendNothing()
	return nil
}

func (s *Server) extendReservation(c *call) error {
	if err := c.readNothing(); err != nil {
		return err
	}
	id, stock, err := s.stockOf(c)
	if err != nil {
		return err
	}
	who, err := s.claimant(c, id)
	if err != nil {
		return err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	extended, err := stock.Extend(ctx, id, who.proof())
	if err != nil {
		return err
	}
	c.buf = appendReservation(c.buf, &extended)
	c.sendJSON(200)
	return nil
}

func appendReservation(b []byte, r *reservation.Reservation) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, r.ID)
	b = append(b, `,"sale":`...)
	b = appendString(b, r.Sale)
	b = append(b, `,"status":`...)
	b = appendString(b, string(r.Status))
	if r.Channel != sale.NoChannel {
		b = append(b, `,"channel":`...)
		b = appendString(b, r.Channel)
	}
	b = append(b, `,"items":`...)
	b = appendLines(b, r.Lines)
	b = append(b, `,"created_at":`...)
	b = appendTime(b, r.CreatedAt)
	b = append(b, `,"expires_at":`...)
	b = appendTime(b, r.ExpiresAt)
	b = append(b, `,"extensions":`...)
	b = strconv.AppendInt(b, int64(r.Extensions), 10)
	b = append(b, `,"durability":`...)
	b = appendString(b, string(r.Durability))
	if r.OrderID != "" {
		b = append(b, `,"order":`...)
		b = appendString(b, r.OrderID)
	}
	return append(b, '}')
}

func appendLines(b []byte, lines []reservation.Line) []byte {
	b = append(b, '[')
	for i := range lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"sku":`...)
		b = appendString(b, lines[i].SKU)
		b = append(b, `,"quantity":`...)
		b = strconv.AppendInt(b, lines[i].Quantity, 10)
		b = append(b, '}')
	}
	return append(b, ']')
}
