package front

import (
	"net/netip"

	"github.com/penstock/penstock/internal/address"
	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

var (
	headerRateLimit       = []byte("Ratelimit")
	headerRateLimitPolicy = []byte("Ratelimit-Policy")
)

// clientAddress is the address of the client itself: that of the connection, or the one that a trusted proxy names. It
// is the zero Addr where many clients may have one address: when a trusted proxy, or a program on this machine, names
// nobody. With unforwarded the address of the connection counts then.
func (s *Server) clientAddress(c *call, unforwarded bool) netip.Addr {
	peer, visitor := address.Peer(c.ctx.RemoteAddr()), s.visitorAddress(c)
	if visitor == peer && s.trusts(peer) && !unforwarded {
		return netip.Addr{}
	}
	return visitor
}

// mayAct counts a claim, a reservation or a wish to be notified, with a ticket or without one (""). A shop's backend
// acts for many, and is not limited; nor is a program on this machine, such as a load test. Code: rate_limited.
func (s *Server) mayAct(c *call, ticket string) error {
	who, limits := s.client(c)
	return s.act(c, who, ticket, limits)
}

// mayClaim is mayAct for a claim. Whoever has a pass gets it again, as the first answer may have been lost, whatever others
// at the same address do: only what this ticket does counts then.
func (s *Server) mayClaim(c *call, ticket queue.Number) error {
	who, limits := s.client(c)
	if isLimited(c, who, limits) && c.entry.Room().HasPass(ticket) {
		who.Holder = ticket.String()
		taken := s.limits.ActAgain(who, limits, c.ctx.Time())
		return s.overLimit(c, &taken, limits.Mode)
	}
	return s.act(c, who, ticket.String(), limits)
}

func (s *Server) act(c *call, who bots.Who, ticket string, limits sale.Limits) error {
	if !isLimited(c, who, limits) {
		return nil
	}
	who.Holder = ticket
	taken := s.limits.Act(who, limits, c.ctx.Time())
	return s.overLimit(c, &taken, limits.Mode)
}

// isLimited reports whether actions of a client have limits: those of a program on this machine have none.
func isLimited(c *call, who bots.Who, limits sale.Limits) bool {
	return limits.Mode != sale.LimitNone && (who.Address.IsValid() || !address.Peer(c.ctx.RemoteAddr()).IsLoopback())
}

// client is from where a request comes, as the limits of the sale count it, and those limits.
func (s *Server) client(c *call) (who bots.Who, limits sale.Limits) {
	rec := c.entry.Record()
	limits = rec.Bots.Limits.Resolved()
	return bots.Who{Sale: rec.ID, Address: s.clientAddress(c, limits.Unforwarded)}, limits
}

// mayReserve is mayAct for a reservation. From where many were given back, the next one has to wait. Code: rate_limited.
func (s *Server) mayReserve(c *call, ticket string) error {
	who, limits := s.client(c)
	if err := s.act(c, who, ticket, limits); err != nil {
		return err
	}
	if !countsReleases(who, limits) {
		return nil
	}
	owed := s.limits.Owed(who, limits, c.ctx.Time())
	return s.overLimit(c, &owed, limits.Mode)
}

// gaveBack counts a reservation that was given back, which is never refused.
func (s *Server) gaveBack(c *call) {
	if who, limits := s.client(c); countsReleases(who, limits) {
		s.limits.Released(who, limits, c.ctx.Time())
	}
}

// countsReleases reports whether reservations that are given back are counted for a client.
func countsReleases(who bots.Who, limits sale.Limits) bool {
	return limits.Mode != sale.LimitNone && who.Address.IsValid()
}

// overLimit is the refusal of what is over a limit, nil when it may go on. Code: rate_limited.
func (s *Server) overLimit(c *call, taken *bots.Taken, mode sale.LimitMode) error {
	if !taken.Refused() || s.forMany(c) {
		return nil
	}
	s.metrics.limited(taken.Tightest)
	if mode == sale.LimitLog {
		return nil
	}
	c.tellLimit(taken)
	return problem.Retry(problem.RateLimited, limitedBecause(taken.Tightest), taken.WaitSeconds(), problem.F("limit", string(taken.Tightest)))
}

// forMany reports whether a shop's backend acts, which does so for many visitors.
func (s *Server) forMany(c *call) bool {
	shop, err := s.shop(c)
	return err == nil && shop != nil
}

func limitedBecause(rule bots.Rule) string {
	switch rule {
	case bots.JoinsPerNetwork, bots.JoinsPerAddress:
		return "too many places were taken from your network; wait before the next one"
	case bots.JoinsPerKey:
		return "too many places were taken for this customer; wait before the next one"
	case bots.ActionsPerTicket:
		return "too many requests came with this ticket; wait before the next one"
	case bots.ReleasesPerNetwork, bots.ReleasesPerAddress:
		return "many reservations were given back from your network; wait before the next one"
	default:
		return "too many requests came from your network; wait before the next one"
	}
}

// tellLimit tells a program how much is left.
func (c *call) tellLimit(taken *bots.Taken) {
	if taken.Tightest == "" || taken.PerMinute == 0 {
		return
	}
	h := &c.ctx.Response.Header
	h.SetCanonical(headerRateLimitPolicy, taken.AppendPolicy(c.key[:0]))
	h.SetCanonical(headerRateLimit, taken.AppendLeft(c.key[:0]))
}
