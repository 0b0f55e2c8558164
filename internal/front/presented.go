package front

import (
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

// held is what a visitor has: a ticket or a decoy.
type held struct {
	ticket queue.Ticket // zero for a decoy
	decoy  *queue.Decoy // nil for a ticket
}

// number is the number that the holder sees.
func (h *held) number() queue.Number {
	if h.decoy != nil {
		return h.decoy.Number()
	}
	return h.ticket.Number
}

// actor is who acts, where a number stands for a person: the holder of a decoy is nobody else.
func (h *held) actor() string {
	if h.decoy != nil {
		return decoyActor(*h.decoy)
	}
	return h.number().String()
}

// presented is a token of a request, and what it stands for.
type presented struct {
	token
	held
}

// presented returns the ticket or the decoy that counts: one in a header before those in cookies, and of several
// cookies the earliest. A decoy ranks as a ticket does, so that a request with both does not tell which is which. When
// none is believed, the token is the one of the error: the last one, one in a header before others. Errors:
// ticket_required, ticket_invalid.
func (s *Server) presented(c *call) (best presented, err error) {
	tokens := c.tokens(ticketHeader, ticketCookie)
	return s.presentedAmong(c.entry, &tokens)
}

// presentedAmong is presented for tokens that were read already.
func (s *Server) presentedAmong(entry *salecache.Entry, tokens *tokens) (best presented, err error) {
	found := false
	for one := range tokens.all {
		got, refused := s.believed(entry, one)
		switch {
		case refused == nil && one.inHeader:
			return got, nil
		case refused == nil && (!found || got.number() < best.number()):
			best, found, err = got, true, nil
		case refused != nil && !found && !best.inHeader:
			best, err = got, refused
		}
	}
	if !found && err == nil {
		err = problem.With(problem.TicketRequired, "send the ticket as header Penstock-Ticket or as cookie")
	}
	return best, err
}

// believed returns what a token stands for. While the sale has no decoy line, there are no decoys. Error:
// ticket_invalid.
func (s *Server) believed(entry *salecache.Entry, one token) (got presented, err error) {
	got.token = one
	if got.ticket, err = s.Tickets.Parse(one.text, entry.ID()); err == nil {
		return got, nil
	}
	if rec := entry.Record(); rec.Bots.Decoy != sale.DecoyOn {
		return got, err
	}
	decoy, err := s.Tickets.ParseDecoy(one.text, entry.ID())
	if err == nil {
		got.decoy = &decoy
	}
	return got, err
}

// bearer tells the place of the ticket or the decoy that was presented. Errors: ticket_required, ticket_invalid.
func (s *Server) bearer(c *call) (here place, inHeader bool, err error) {
	got, err := s.presented(c)
	if err != nil {
		return place{}, false, err
	}
	return s.look(c, got.held, string(got.text)), got.inHeader, nil
}

// placeBy tells the place of one token, in the line or the decoy line. Error: ticket_invalid.
func (s *Server) placeBy(c *call, text string) (place, error) {
	got, err := s.believed(c.entry, token{text: []byte(text)})
	if err != nil {
		return place{}, err
	}
	return s.look(c, got.held, text), nil
}
