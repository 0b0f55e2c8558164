package front

import (
	"net/url"
	"strings"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// What the redirect to a shop on another host carries, by the sale's handover.
const (
	codeParameter = "penstock_code"
	passParameter = "penstock_pass"
)

// maxCodeChars bounds what is looked at as a code; ours are far shorter.
const maxCodeChars = 512

// handOver returns the location to which an admitted visitor is sent, with what a shop on another host
// needs to let them in there: that shop does not get the cookie of the pass. The error is unavailable.
func (s *Server) handOver(c *call, rec *sale.Record, location string) (string, error) {
	u, err := url.Parse(location)
	if err != nil || !s.elsewhere(c, u) || rec.Handover == sale.HandoverNone {
		return location, nil
	}
	pass, ok := s.passToHandOver(c)
	if !ok {
		return location, nil // a sale in the mode open needs none
	}
	if rec.Handover == sale.HandoverPass {
		return withParameter(u, passParameter, s.Passes.Sign(pass)), nil
	}
	if err := intact(c.entry); err != nil {
		return "", err // the shop could not redeem the code now
	}
	code, err := c.entry.Room().HandOver(pass)
	if err != nil {
		return "", err
	}
	return withParameter(u, codeParameter, code), nil
}

// passToHandOver returns the pass that this request claimed, or else the one that it brought and may use here.
func (s *Server) passToHandOver(c *call) (queue.Pass, bool) {
	if c.admitted.Ticket > 0 {
		return c.admitted, true
	}
	pass, err := s.passHere(c)
	return pass, err == nil
}

// elsewhere reports whether an address is on another host than the waiting room. A path is not.
func (s *Server) elsewhere(c *call, u *url.URL) bool {
	there := withoutUsualPort(u.Host)
	return there != "" && there != s.ownHost && there != withoutUsualPort(string(c.ctx.Host()))
}

// hostOf returns the host of an address as withoutUsualPort does; empty when it has none.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return withoutUsualPort(u.Host)
}

// withoutUsualPort leaves out the two usual ports. Which of them is meant does not matter, as a proxy may not say
// whether the visitor's connection is encrypted.
func withoutUsualPort(host string) string {
	host = strings.ToLower(host)
	for _, port := range []string{":80", ":443"} {
		if bare, found := strings.CutSuffix(host, port); found {
			return bare
		}
	}
	return host
}

// withParameter adds a parameter to the query of an address and leaves the rest as it is written, except
// that parameters of ours which came from somewhere else go.
func withParameter(u *url.URL, name, value string) string {
	var query []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		key, _, _ := strings.Cut(part, "=")
		if part != "" && key != codeParameter && key != passParameter {
			query = append(query, part)
		}
	}
	changed := *u
	changed.RawQuery = strings.Join(append(query, name+"="+url.QueryEscape(value)), "&")
	return changed.String()
}

// postHandover gives a shop's server the pass for the code that a visitor brought there.
//
// Failures are not counted by address: the caller is the shop, which sends along what any of its visitors
// bring, and one of them could lock out the others. A made-up code costs one HMAC, and 128 bits of it
// would have to be guessed.
func (s *Server) postHandover(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	text, err := parseHandover(body)
	if err != nil {
		return err
	}
	code, err := s.Tickets.ParseCode(text)
	if err != nil {
		return err
	}
	c.sale = []byte(code.Sale)
	if c.entry, err = s.find(code.Sale, problem.UnknownCode); err != nil {
		return err
	}
	if err := intact(c.entry); err != nil {
		return err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	pass, token, err := c.entry.Room().Redeem(ctx, code)
	if err != nil {
		return err
	}
	c.buf = append(c.buf, `{"pass":`...)
	c.buf = appendString(c.buf, token)
	c.buf = append(c.buf, `,"sale":`...)
	c.buf = appendString(c.buf, pass.Sale)
	c.buf = append(c.buf, `,"expires_at":`...)
	c.buf = appendTime(c.buf, pass.ExpiresAt)
	c.buf = append(c.buf, '}')
	c.sendJSON(200)
	return nil
}

// parseHandover reads {"code": …}. What is longer than a code can be is no code.
func parseHandover(body []byte) (code string, err error) {
	r := &reader{data: body}
	err = r.document(func(name string) error {
		if name != "code" {
			return r.unknown(name)
		}
		return r.stringInto(&code)
	})
	switch {
	case err != nil:
		return "", err
	case code == "":
		return "", badField("code", "is required")
	case len(code) > maxCodeChars:
		return "", problem.UnknownCode
	default:
		return code, nil
	}
}
