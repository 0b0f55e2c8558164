package front

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// Headers of forward-auth: the first two ask, the others tell the shop whom it serves.
const headerSale = "Penstock-Sale"

var (
	headerRedirect       = []byte("Penstock-Redirect")
	headerSaleOut        = []byte("Penstock-Sale")
	headerTicketOut      = []byte("Penstock-Ticket")
	headerPassExpiresOut = []byte("Penstock-Pass-Expires")
)

// authorize answers a proxy's question whether a visitor may go on: 204 (200 below /v1/auth) with a valid pass
// of a sale that is running, and otherwise 401, or 302 when asked by ?redirect=1, with the way to the waiting
// room. The proxy names the sale and passes the visitor's cookies on. When it names none, the pass
// does; it must then hold even where no pass is needed, or a visitor could go anywhere by naming an
// open sale.
//
// Any method and any path below are answered alike: proxies ask with those of the visitor. A preflight
// passes: browsers send it without cookies, and the shop answers it.
func (s *Server) authorize(c *call) error {
	if s.asksForPreflight(c) {
		c.letPass()
		return nil
	}
	named, err := c.saleOfProxy()
	if err != nil {
		return err
	}
	byPass := len(named) == 0
	if byPass {
		named = s.saleOfPass(c)
	}
	if len(named) == 0 {
		return problem.With(problem.BadRequest, "name the sale as ?sale=, or send one pass")
	}
	c.sale = named
	got, err := s.admit(string(c.sale), c.tokens(passHeader, passCookie), s.placeOfVisitor(c), byPass)
	c.entry = got.entry
	if c.wantsPage() {
		got.arrive(err)
	}
	if errors.Is(err, problem.PassRequired) {
		return s.sendToRoom(c)
	}
	if err != nil {
		return err
	}
	c.tellAdmitted(&got)
	c.letPass()
	return nil
}

// tellAdmitted tells the shop whom it serves.
func (c *call) tellAdmitted(got *admitted) {
	h := &c.ctx.Response.Header
	h.SetCanonical(headerSaleOut, c.sale)
	if got.shadow != "" {
		h.SetCanonical(headerShadowOut, []byte(got.shadow))
	}
	if !got.hasPass {
		return
	}
	h.SetCanonical(headerTicketOut, strconv.AppendUint(c.key[:0], uint64(got.pass.Ticket), 10))
	h.SetCanonical(headerPassExpiresOut, got.pass.ExpiresAt.UTC().AppendFormat(c.key[:0], "2006-01-02T15:04:05Z"))
}

// saleOfProxy returns the sale that the question names, as ?sale= or in the header Penstock-Sale; empty
// when it names none. The query is the proxy's own, but a header may be the visitor's, whom most proxies
// let send what they like. So all that is said must be the same. Error: bad_request.
func (c *call) saleOfProxy() ([]byte, error) {
	var named []byte
	said := c.ctx.Request.Header.PeekAll(headerSale)
	if c.queryIsOfProxy() {
		said = append(c.ctx.QueryArgs().PeekMulti("sale"), said...)
	}
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

// queryIsOfProxy reports whether the operator wrote the query of the question. Below /v1/auth it is the
// visitor's: Envoy appends their path and query.
func (c *call) queryIsOfProxy() bool {
	return c.target.route == routeAuth || len(c.ctx.URI().PathOriginal()) == len(authPrefix)
}

// saleOfPass returns the sale of the pass that was presented; of several, that of the one that holds. It is
// empty when there is none, and when passes of several sales hold, or when none holds and they name several.
func (s *Server) saleOfPass(c *call) []byte {
	var named, held []byte
	various := false
	now := time.Now()
	tokens := c.tokens(passHeader, passCookie)
	for presented := range tokens.all {
		one := presented.sale
		if presented.inHeader {
			one = audience(presented.text)
		}
		if len(one) == 0 {
			continue
		}
		various = various || (len(named) > 0 && !bytes.Equal(named, one))
		named = one
		if _, err := s.Passes.Verify(string(presented.text), string(one), now); err != nil {
			continue
		}
		if len(held) > 0 && !bytes.Equal(held, one) {
			return nil
		}
		held = one
	}
	switch {
	case len(held) > 0:
		return held
	case various:
		return nil
	default:
		return named
	}
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

// letPass answers that the visitor may go on. Envoy, which asks below /v1/auth, takes 200 for yes, and any
// other 2xx for a refusal.
func (c *call) letPass() {
	c.sendNothing()
	if c.target.route == routeAuthBelow {
		c.ctx.SetStatusCode(200)
	}
}

// sendToRoom says where a pass is to be had: in Location, and as 302 when the proxy asks for it.
func (s *Server) sendToRoom(c *call) error {
	location := s.roomLocation(c)
	if location == "" {
		return problem.With(problem.PassRequired, "the waiting room is at "+roomPath(c.sale)+
			"; set PENSTOCK_PUBLIC_URL, or have the proxy send X-Forwarded-Host, so that visitors can be sent there")
	}
	h := &c.ctx.Response.Header
	h.SetCanonical(headerLocation, []byte(location))
	if c.wantsRedirect() {
		if !c.keepsCookies() {
			c.setCheckCookie() // the waiting room sees by it that the browser does
		}
		h.SetCanonical(headerCacheControl, valueNoStore)
		c.ctx.SetStatusCode(302)
		return nil
	}
	return problem.With(problem.PassRequired, "the waiting room is at "+location)
}

// wantsRedirect reports whether the proxy hands our answer to the browser as it is.
func (c *call) wantsRedirect() bool {
	if c.queryIsOfProxy() && bytes.Equal(c.ctx.QueryArgs().Peek("redirect"), []byte("1")) {
		return true
	}
	return bytes.Equal(c.ctx.Request.Header.PeekCanonical(headerRedirect), []byte("1"))
}
