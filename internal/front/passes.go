package front

import (
	"strconv"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

// postPasses admits a called visitor: the ticket becomes a pass. Asked again it gives the same pass. Whoever asks with
// ?late=1 may also come after the time to claim, while the grace lasts and there is room.
func (s *Server) postPasses(c *call) error {
	if err := c.readNothing(); err != nil {
		return err
	}
	got, err := s.presented(c)
	switch {
	case err != nil:
		return err
	case got.decoy != nil:
		return s.claimDecoy(c, *got.decoy)
	}
	pass, token, again, err := s.claim(c, got.ticket, string(c.ctx.QueryArgs().Peek("late")) == "1")
	if err != nil {
		return err
	}
	_ = s.tied(c, pass) // a program may claim for a browser, whose first use ties the pass then
	c.buf = append(appendPass(c.buf, token, pass), '}')
	if again {
		c.sendJSON(200)
		return nil
	}
	c.sendJSON(201)
	return nil
}

// claim makes a pass of a ticket; with late, also when the time to claim is over, if the sale has that grace.
func (s *Server) claim(c *call, ticket queue.Ticket, late bool) (pass queue.Pass, token string, again bool, err error) {
	if err := intact(c.entry); err != nil {
		return queue.Pass{}, "", false, err
	}
	if err := s.mayClaim(c, ticket.Number); err != nil {
		return queue.Pass{}, "", false, err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	if room := c.entry.Room(); late {
		pass, token, again, err = room.ClaimLate(ctx, ticket, s.outside(ctx, c))
	} else {
		pass, token, again, err = room.Claim(ctx, ticket)
	}
	if err == nil {
		c.admitted = pass
		c.setPassCookie(token, pass.ExpiresAt, c.entry.Now())
	}
	return pass, token, again, err
}

// tied ties a pass to where it is claimed, if the sale wants that, and says whether it may be used there. When
// that is not known, the first use at the gate ties it.
func (s *Server) tied(c *call, pass queue.Pass) error {
	if c.entry.Record().Admission.PassBinding == sale.BindNothing {
		return nil
	}
	return s.mayUse(c.entry, pass, s.placeOfVisitor(c))
}

// passHere returns the pass that was presented, if it holds and may be used from where it comes. Errors:
// pass_required, pass_invalid, and unavailable while it is not known whether it may.
func (s *Server) passHere(c *call) (queue.Pass, error) {
	pass, _, err := s.passFrom(c.entry, c.tokens(passHeader, passCookie), s.placeOfVisitor(c))
	return pass, err
}

// passFrom is passHere for a request of any kind, with the token of the pass.
func (s *Server) passFrom(entry *salecache.Entry, presented tokens, from visitorPlace) (queue.Pass, token, error) {
	return bestPass(presented, func(one token) (queue.Pass, error) {
		pass, err := s.passOf(entry, one)
		if err == nil {
			err = s.mayUse(entry, pass, from)
		}
		return pass, err
	})
}

// pass returns the pass that was presented, if it holds here and now. A header that holds is preferred to
// the cookies: who sets one means it, while a browser sends its cookies always. Errors: pass_required,
// pass_invalid.
func (s *Server) pass(c *call) (queue.Pass, error) {
	return s.passThat(c, func(presented token) (queue.Pass, error) { return s.passOf(c.entry, presented) })
}

// passThat returns the pass that verify takes of those that the request brings.
func (s *Server) passThat(c *call, verify func(token) (queue.Pass, error)) (queue.Pass, error) {
	pass, _, err := bestPass(c.tokens(passHeader, passCookie), verify)
	return pass, err
}

// bestPass returns the pass that verify takes, and the token of it; of several cookies, that with the latest
// end. Errors: pass_required when none is there, or that of verify.
func bestPass(tokens tokens, verify func(token) (queue.Pass, error)) (best queue.Pass, of token, err error) {
	held := false
	for presented := range tokens.all {
		pass, refused := verify(presented)
		switch {
		case refused == nil && presented.inHeader:
			return pass, presented, nil
		case refused == nil && (!held || pass.ExpiresAt.After(best.ExpiresAt)):
			best, of, held = pass, presented, true
		case refused != nil:
			err = refused
		}
	}
	switch {
	case held:
		return best, of, nil
	case err == nil:
		return queue.Pass{}, token{}, problem.With(problem.PassRequired, "the waiting room is at "+roomPath(tokens.sale))
	default:
		return queue.Pass{}, token{}, err
	}
}

// passOf returns the pass of a token, if it holds. Error: pass_invalid.
func (s *Server) passOf(entry *salecache.Entry, presented token) (queue.Pass, error) {
	pass, err := s.Passes.Verify(string(presented.text), entry.ID(), entry.Now())
	if err != nil {
		return queue.Pass{}, err
	}
	if entry.Room().Revoked(pass) {
		return queue.Pass{}, problem.With(problem.PassInvalid, "the pass was given back or taken back")
	}
	return pass, nil
}

// appendPass begins the document of a pass; the caller ends it.
func appendPass(b []byte, token string, pass queue.Pass) []byte {
	b = append(b, `{"pass":`...)
	b = appendString(b, token)
	b = append(b, `,"expires_at":`...)
	return appendTime(b, pass.ExpiresAt)
}

// renewPass prolongs the pass that was presented, in place. Asked again with the same token it gives the same answer.
func (s *Server) renewPass(c *call) error {
	if err := c.readNothing(); err != nil {
		return err
	}
	if err := seen(c.entry); err != nil {
		return err
	}
	pass, err := s.passHere(c)
	if err != nil {
		return err
	}
	if err := intact(c.entry); err != nil {
		return err
	}
	renewed, err := s.renew(c, pass)
	if err != nil {
		return err
	}
	c.buf = append(appendPass(c.buf, renewed.Token, renewed.Pass), `,"renewals_left":`...)
	c.buf = strconv.AppendInt(c.buf, renewed.Left, 10)
	c.buf = append(c.buf, '}')
	c.sendJSON(200)
	return nil
}

// deletePass gives the slot back to the line. Again is no error: the order may have given it back before.
func (s *Server) deletePass(c *call) error {
	pass, err := s.passThat(c, func(presented token) (queue.Pass, error) {
		return s.Passes.Verify(string(presented.text), c.entry.ID(), c.entry.Now())
	})
	if err != nil {
		return err
	}
	if err := intact(c.entry); err != nil {
		return err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	if err := c.entry.Room().Release(ctx, pass); err != nil {
		return err
	}
	c.dropPassCookie()
	c.sendNothing()
	return nil
}

func roomPath[T string | []byte](saleID T) string { return "/sales/" + string(saleID) }
