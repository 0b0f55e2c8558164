package front

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/penstock/penstock/internal/address"
	"github.com/penstock/penstock/internal/proxy"
)

var (
	headerOrigin         = []byte("Origin")
	headerVary           = []byte("Vary")
	headerAllowOrigin    = []byte("Access-Control-Allow-Origin")
	headerAllowMethods   = []byte("Access-Control-Allow-Methods")
	headerAllowHeaders   = []byte("Access-Control-Allow-Headers")
	headerAllowCookies   = []byte("Access-Control-Allow-Credentials")
	headerExposeHeaders  = []byte("Access-Control-Expose-Headers")
	headerPreflightAge   = []byte("Access-Control-Max-Age")
	valueRequestHeaders  = []byte("Content-Type, Idempotency-Key, Penstock-Ticket, Penstock-Pass, Penstock-Holder")
	valueExposedHeaders  = []byte("Date, Retry-After, Penstock-Request-Id, Penstock-Holder")
	valueAnyOrigin       = []byte("*")
	valuePreflightAge    = []byte("600") // seconds
	preflightOfForwarded = []byte("forwarded")
	preflightRefused     = []byte("refuse")
)

// allowOrigin lets a page of another origin read the answer: any page what is the same for everybody, and
// pages of the allowed origins everything, with the visitor's cookies.
func (s *Server) allowOrigin(c *call) {
	h := &c.ctx.Response.Header
	if c.route.sameForAll {
		h.SetCanonical(headerAllowOrigin, valueAnyOrigin)
		return
	}
	if len(s.AllowedOrigins) == 0 {
		return
	}
	h.AddBytesKV(headerVary, headerOrigin)
	origin := c.ctx.Request.Header.PeekCanonical(headerOrigin)
	if len(origin) == 0 || !slices.Contains(s.AllowedOrigins, string(origin)) {
		return
	}
	h.SetCanonical(headerAllowOrigin, origin)
	h.SetCanonical(headerAllowCookies, []byte("true"))
	h.SetCanonical(headerExposeHeaders, valueExposedHeaders)
}

// answerOptions says what a path takes, to whoever asks with OPTIONS.
func (s *Server) answerOptions(c *call) {
	h := &c.ctx.Response.Header
	h.SetCanonical(headerAllow, []byte(c.route.allow+", OPTIONS"))
	if c.isPreflight() && len(h.PeekBytes(headerAllowOrigin)) > 0 {
		h.SetCanonical(headerAllowMethods, []byte(c.route.allow))
		h.SetCanonical(headerAllowHeaders, valueRequestHeaders)
		h.SetCanonical(headerPreflightAge, valuePreflightAge)
	}
	c.ctx.SetStatusCode(204)
}

// isPreflight reports whether a browser asks before it sends a request to another origin.
func (c *call) isPreflight() bool { return c.asksBefore(string(c.ctx.Method())) }

// asksBefore is isPreflight for a request whose method a proxy has told.
func (c *call) asksBefore(method string) bool {
	return proxy.IsPreflight(method, len(c.ctx.PostBody()) > 0, c.ctx.Request.Header.All())
}

// asksForPreflight reports whether a proxy asks about a preflight that may pass. It always may when it is
// asked with the method of the visitor. X-Forwarded-Method can be the visitor's own header, so it counts only
// when the operator says so: ?preflight=forwarded. With ?preflight=refuse none passes.
func (s *Server) asksForPreflight(c *call) bool {
	rule := []byte(nil)
	if c.queryIsOfProxy() {
		rule = c.ctx.QueryArgs().Peek("preflight")
	}
	switch {
	case bytes.Equal(rule, preflightRefused):
		return false
	case bytes.Equal(rule, preflightOfForwarded):
		return c.asksBefore(s.asked(c).method)
	default:
		return c.isPreflight()
	}
}

// fromTrustedProxy reports whether the connection is that of a proxy of the operator's.
func (s *Server) fromTrustedProxy(c *call) bool {
	return s.trusts(address.Peer(c.ctx.RemoteAddr()))
}

func (s *Server) trusts(addr netip.Addr) bool { return address.In(s.TrustedProxies, addr) }
