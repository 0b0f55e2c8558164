package front

import (
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/queue"
)

// postPasses admits a called visitor: the ticket becomes a pass. Asked again it gives the same pass.
func (s *Server) postPasses(c *call) error {
	if err := c.readNothing(); err != nil {
		return err
	}
	ticket, _, err := s.ticket(c)
	if err != nil {
		return err
	}
	pass, token, again, err := s.claim(c, ticket)
	if err != nil {
		return err
	}
	c.buf = append(c.buf, `{"pass":`...)
	c.buf = appendString(c.buf, token)
	c.buf = append(c.buf, `,"expires_at":`...)
	c.buf = appendTime(c.buf, pass.ExpiresAt)
	c.buf = append(c.buf, '}')
	if again {
		c.sendJSON(200)
		return nil
	}
	c.sendJSON(201)
	return nil
}

func (s *Server) claim(c *call, ticket queue.Ticket) (pass queue.Pass, token string, again bool, err error) {
	if err := intact(c.entry); err != nil {
		return queue.Pass{}, "", false, err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	pass, token, again, err = c.entry.Room().Claim(ctx, ticket)
	if err == nil {
		c.setPassCookie(token, pass.ExpiresAt, c.entry.Now())
	}
	return pass, token, again, err
}

// pass returns the pass that was presented, if it holds here and now. Errors: pass_required,
// pass_invalid.
func (s *Server) pass(c *call) (queue.Pass, error) {
	presented := c.presentedPass()
	if presented.missing() {
		return queue.Pass{}, problem.With(problem.PassRequired, "the waiting room is at "+roomPath(c.sale))
	}
	return s.verifyPass(c, presented, c.entry.Now())
}

func (s *Server) verifyPass(c *call, presented token, now time.Time) (queue.Pass, error) {
	pass, err := s.Passes.Verify(string(presented.text), c.entry.Record().ID, now)
	if err != nil {
		return queue.Pass{}, err
	}
	if c.entry.Room().Revoked(pass) {
		return queue.Pass{}, problem.With(problem.PassInvalid, "the pass was given back or taken back")
	}
	return pass, nil
}

// deletePass gives the slot back to the line.
func (s *Server) deletePass(c *call) error {
	pass, err := s.pass(c)
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
