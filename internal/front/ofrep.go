package front

import "github.com/penstock/penstock/internal/degrade"

// postFlags and postFlag speak the OpenFeature Remote Evaluation Protocol, refusals included: its
// clients know only its own.

func (s *Server) postFlags(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	noneMatch := string(c.ctx.Request.Header.Peek("If-None-Match"))
	c.sendFlags(degrade.OFREPEvaluateAll(body, noneMatch, s.level()))
	return nil
}

func (s *Server) postFlag(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	c.sendFlags(degrade.OFREPEvaluate(string(c.id), body, s.level()))
	return nil
}

func (c *call) sendFlags(answer degrade.Answer) {
	if answer.ETag != "" {
		c.ctx.Response.Header.SetCanonical(headerETag, []byte(answer.ETag))
	}
	if answer.Status == 304 {
		c.ctx.SetStatusCode(304)
		return
	}
	c.buf = append(c.buf, answer.Body...)
	c.sendJSON(answer.Status)
}
