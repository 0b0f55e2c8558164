package front

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// Headers of forward-auth: the first asks, the others tell the shop whom it serves.
const headerSale = "Penstock-Sale"

var (
	headerSaleOut        = []byte("Penstock-Sale")
	headerTicketOut      = []byte("Penstock-Ticket")
	headerPassExpiresOut = []byte("Penstock-Pass-Expires")
)

// authorize answers a proxy's question whether a visitor may go on: 204 with a valid pass of a sale
// that is running, and otherwise 401, or 302 when asked by ?redirect=1, with the way to the waiting
// room. The proxy names the sale and passes the visitor's cookies on. When it names none, the pass
// does; it must then hold even where no pass is needed, or a visitor could go anywhere by naming an
// open sale.
//
// Any method and any path below are answered alike: proxies ask with those of the visitor.
func (s *Server) authorize(c *call) error {
	named, err := c.saleOfProxy()
	if err != nil {
		return err
	}
	byPass := len(named) == 0
	if byPass {
		named = c.saleOfPass()
	}
	if len(named) == 0 {
		return problem.With(problem.BadRequest, "name the sale as ?sale=, or send one pass")
	}
	c.sale = named
	if !sale.ValidID(string(c.sale)) {
		return problem.UnknownSale
	}
	entry, err := s.find(string(c.sale), problem.UnknownSale)
	if err != nil {
		return err
	}
	c.entry = entry
	if !c.entry.Phase().Running() {
		return s.sendToRoom(c)
	}
	if !byPass && c.entry.Record().Admission.Mode == sale.Open {
		c.ctx.Response.Header.SetCanonical(headerSaleOut, c.sale)
		c.sendNothing()
		return nil
	}
	return s.authorizePass(c)
}

// saleOfProxy returns the sale that the question names, as ?sale= or in the header Penstock-Sale; empty
// when it names none. The query is the proxy's own, but a header may be the visitor's, whom most proxies
// let send what they like. So all that is said must be the same. Error: bad_request.
func (c *call) saleOfProxy() ([]byte, error) {
	var named []byte
	said := append(c.ctx.QueryArgs().PeekMulti("sale"), c.ctx.Request.Header.PeekAll(headerSale)...)
	for _, one := range said {
		if len(one) == 0 {
			continue
		}
		if len(named) > 0 && !bytes.Equal(one, named) {
			return nil, problem.With(problem.BadRequest, "the request names more than one sale in ?sale= and the header Penstock-Sale")
		}
		named = one
	}
	return named, nil
}

// saleOfPass returns the sale that the presented pass is for, as it says itself: nothing of it is
// verified yet. It is empty without a pass, and with cookies of several sales.
func (c *call) saleOfPass() []byte {
	h := &c.ctx.Request.Header
	if text := h.PeekCanonical(passHeader); len(text) > 0 {
		return audience(clip(text))
	}
	return onlyCookie(h.PeekCanonical(cookieHeader), []byte(passCookie))
}

// audience reads the claim "aud" of a JWT without verifying anything.
func audience(token []byte) []byte {
	_, rest, _ := bytes.Cut(token, []byte("."))
	payload, _, signed := bytes.Cut(rest, []byte("."))
	if !signed {
		return nil
	}
	data, err := base64.RawURLEncoding.AppendDecode(nil, payload)
	if err != nil {
		return nil
	}
	var claims struct {
		Audience string `json:"aud"`
	}
	if json.Unmarshal(data, &claims) != nil {
		return nil
	}
	return []byte(claims.Audience)
}

func (s *Server) authorizePass(c *call) error {
	if err := seen(c.entry); err != nil {
		return err // it is not known which passes were given back
	}
	pass, err := s.pass(c)
	if err != nil {
		return s.sendToRoom(c)
	}
	h := &c.ctx.Response.Header
	h.SetCanonical(headerSaleOut, c.sale)
	h.SetCanonical(headerTicketOut, strconv.AppendUint(c.key[:0], uint64(pass.Ticket), 10))
	h.SetCanonical(headerPassExpiresOut, pass.ExpiresAt.UTC().AppendFormat(c.key[:0], "2006-01-02T15:04:05Z"))
	c.sendNothing()
	return nil
}

// sendToRoom says where a pass is to be had. The address is relative to the host that the visitor
// asked for: the waiting room is there as well, or its cookies would be of no use to the shop.
func (s *Server) sendToRoom(c *call) error {
	h := &c.ctx.Response.Header
	h.SetCanonical(headerLocation, []byte(roomPath(c.sale)))
	if bytes.Equal(c.ctx.QueryArgs().Peek("redirect"), []byte("1")) {
		h.SetCanonical(headerCacheControl, valueNoStore)
		c.ctx.SetStatusCode(302)
		return nil
	}
	return problem.With(problem.PassRequired, "the waiting room is at "+roomPath(c.sale))
}
