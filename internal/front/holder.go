package front

import (
	"bytes"
	"slices"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/reservation"
)

const (
	holderCookie = "penstock_holder_"
	// maxHolderTokens is how many reservations of one sale a browser can prove at a time.
	maxHolderTokens = 8
	// holderCookieAge is how long a browser keeps them: as long as an order can be repeated.
	holderCookieAge = 24 * time.Hour
)

var holderHeader = []byte("Penstock-Holder")

// claimant is who wants to dispose of a reservation, as far as the request proves it.
type claimant struct {
	shop    *auth.Identity
	tickets []string // numbers of the tickets that the pass and the ticket of the request name
	holder  bool     // the holder's token of the reservation was presented
}

// claimant finds out who wants to dispose of a reservation. A proof is the pass or the ticket of whoever made
// it, a shop's API key, or the holder's token of the reservation. A pass names its ticket also when its time
// is over or it was given back: an order that is repeated must keep its name. Errors: holder_required,
// not_the_holder, and those of shop.
func (s *Server) claimant(c *call, reservationID string) (who claimant, err error) {
	if who.shop, err = s.shop(c); err != nil {
		return claimant{}, err
	}
	passes := c.tokens(passHeader, passCookie)
	shown := who.addTickets(&passes, func(text string) (string, error) {
		pass, err := s.Passes.Verify(text, string(c.sale), time.Time{})
		return pass.ID, err
	})
	tickets := c.tokens(ticketHeader, ticketCookie)
	shown = who.addTickets(&tickets, func(text string) (string, error) {
		ticket, err := s.Tickets.Parse([]byte(text), string(c.sale))
		if err == nil {
			return ticket.Number.String(), nil
		}
		decoy, err := s.Tickets.ParseDecoy([]byte(text), string(c.sale)) // the answer is that to a ticket that made no reservation
		return decoyActor(decoy), err
	}) || shown
	tokens, some := c.presentedHolder()
	shown, who.holder = shown || some, s.Holders.Holds(reservationID, tokens...)
	switch {
	case who.shop != nil || who.holder || len(who.tickets) > 0:
		return who, nil
	case shown:
		return claimant{}, problem.With(problem.NotTheHolder, "what was sent proves nothing about this reservation")
	default:
		return claimant{}, problem.With(problem.HolderRequired,
			"send the pass or the ticket with which it was made, the token from Penstock-Holder, or a shop's API key")
	}
}

// addTickets adds the tickets that the valid ones of some credentials name, and reports whether there were any
// credentials at all.
func (who *claimant) addTickets(presented *tokens, name func(text string) (string, error)) (shown bool) {
	for one := range presented.all {
		shown = true
		if ticket, err := name(string(one.text)); err == nil && !slices.Contains(who.tickets, ticket) {
			who.tickets = append(who.tickets, ticket)
		}
	}
	return shown
}

func (who *claimant) proof() reservation.Proof {
	return reservation.Proof{Proved: who.shop != nil || who.holder, Bearers: who.tickets}
}

// scope says whose idempotency keys are meant when a reservation is ordered.
func (who *claimant) scope(saleID []byte, reservationID string) string {
	switch {
	case who.shop != nil:
		return keyScope(who.shop)
	case len(who.tickets) > 0:
		return string(saleID) + " " + ticketScope(who.tickets[0])
	default:
		return openScope + " " + reservationID
	}
}

// presentedHolder returns the holder's tokens that came along, those in headers and those in cookies, and
// whether there was anything in their place.
func (c *call) presentedHolder() (found [][]byte, some bool) {
	presented := c.tokens(holderHeader, holderCookie)
	for one := range presented.all {
		some = true
		for text := range bytes.SplitSeq(one.text, []byte(".")) {
			if len(found) < maxTokens && reservation.ValidHolderToken(text) {
				found = append(found, text)
			}
		}
	}
	return found, some
}

// giveHolder hands out the token with which the holder of a reservation of an open sale proves it. The cookie
// keeps those of a few reservations, the latest first.
func (s *Server) giveHolder(c *call, reservationID string) {
	token := []byte(s.Holders.Token(reservationID))
	tokens := [][]byte{token}
	others, _ := c.presentedHolder()
	for _, one := range others {
		if len(tokens) < maxHolderTokens && !bytes.Equal(one, token) {
			tokens = append(tokens, one)
		}
	}
	c.ctx.Response.Header.SetCanonical(holderHeader, token)
	c.setCookie(holderCookie, string(bytes.Join(tokens, []byte("."))), int64(holderCookieAge/time.Second))
}
