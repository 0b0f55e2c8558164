package front

import (
	"slices"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// openScope begins the scopes of those who come without a ticket, a pass and a key.
const openScope = "open"

// buyer is on whose word units are held.
type buyer struct {
	shop *auth.Identity // nil for a visitor who comes without the shop's backend
	// ticket is the number of the visitor's ticket; "" when there is none.
	ticket string
	// passUntil is when the visitor's pass is over at the latest, however often it is renewed; zero in the mode
	// open, which needs none. So long it belongs to one customer.
	passUntil time.Time
	// passIssued is when it was issued.
	passIssued time.Time
	// scope says whose idempotency keys are meant: the shop's, the visitor's, or those of a customer of whom
	// nothing but the name is known.
	scope string
}

func lastEnd(c *call, pass queue.Pass) time.Time {
	rec := c.entry.Record()
	return rec.Admission.LastEnd(pass.ExpiresAt)
}

// buyer finds out who asks for units. Errors: pass_required, pass_invalid, ticket_invalid, and those of shop.
func (s *Server) buyer(c *call, of *sale.Sale, parsed *reservationBody) (who buyer, err error) {
	if needsNoPass(of, parsed.Channel) {
		if who.shop, err = s.shop(c); err != nil {
			return buyer{}, err
		}
		if who.hasChannel(parsed.Channel) {
			who.scope = keyScope(who.shop)
			return who, nil
		}
	}
	if c.entry.Mode() == sale.Open {
		who.ticket, err = s.openTicket(c)
	} else {
		var pass queue.Pass
		pass, err = s.pass(c)
		who.ticket, who.passUntil, who.passIssued = pass.ID, lastEnd(c, pass), pass.IssuedAt
	}
	if err != nil {
		return buyer{}, err
	}
	if who.shop, err = s.shop(c); err != nil {
		return buyer{}, err
	}
	switch {
	case who.shop != nil:
		who.scope = keyScope(who.shop)
	case who.ticket != "":
		who.scope = ticketScope(who.ticket)
	default:
		who.scope = openScope + ":" + parsed.Customer
	}
	return who, nil
}

// needsNoPass reports whether the API keys that have a channel reserve from it without a visitor's pass.
func needsNoPass(of *sale.Sale, channel string) bool {
	return slices.Contains(of.WithoutPass, channel)
}

// openTicket is the number of the ticket that a visitor of an open sale has; "" without one. One that is not
// believed is refused in the header, where a program put it, and passed over in a cookie. A pass of the time
// before the sale was opened names its ticket as well. Error: ticket_invalid.
func (s *Server) openTicket(c *call) (string, error) {
	if c.brings(ticketHeader, ticketCookie) {
		got, err := s.presented(c)
		switch {
		case err == nil && got.decoy == nil:
			return got.ticket.Number.String(), nil
		case err != nil && got.inHeader:
			return "", err
		}
	}
	if !c.brings(passHeader, passCookie) {
		return "", nil
	}
	pass, err := s.passThat(c, func(presented token) (queue.Pass, error) {
		return s.Passes.Verify(string(presented.text), string(c.sale), time.Time{})
	})
	if err != nil {
		return "", nil //nolint:nilerr // none is needed
	}
	return pass.ID, nil
}

func keyScope(shop *auth.Identity) string { return "key:" + shop.KeyID }

// ticketScope is the same for a ticket and for the pass that it became.
func ticketScope(number string) string { return "pass:" + number }

// channel is the channel from which a buyer gets units. Visitors get theirs from the default channel of the
// sale; the others are open to the API keys that have them. Errors: channel_forbidden, unknown_channel.
func (who *buyer) channel(s *sale.Sale, named string) (string, error) {
	standard, found := s.VisitorChannel()
	switch {
	case found && (named == "" || named == standard):
		return standard, nil
	case named == "" && who.hasChannels():
		return "", problem.With(problem.ChannelForbidden, "the sale has no default_channel: name one of the channels of the API key")
	case named == "":
		return "", problem.With(problem.ChannelForbidden,
			"the sale has channels and no default_channel: set default_channel in the sale, or reserve with an API key that has a channel")
	}
	if _, there := s.Channels[named]; !there {
		return "", problem.With(problem.UnknownChannel, "the sale has no such channel")
	}
	if !who.hasChannel(named) {
		return "", problem.With(problem.ChannelForbidden, "only an API key that has this channel may name it")
	}
	return named, nil
}

func (who *buyer) hasChannels() bool { return who.shop != nil && len(who.shop.Channels) > 0 }

func (who *buyer) hasChannel(name string) bool { return who.shop != nil && who.shop.MaySell(name) }
