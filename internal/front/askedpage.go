package front

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

// Headers with which a proxy tells what its visitor asked for.
var (
	headerForwardedHost   = []byte("X-Forwarded-Host")
	headerForwardedProto  = []byte("X-Forwarded-Proto")
	headerForwardedURI    = []byte("X-Forwarded-Uri")
	headerForwardedMethod = []byte("X-Forwarded-Method")
)

// returnParam is the query parameter of the room page that names the page to go back to.
const returnParam = "return"

// askedPage is what a visitor asked a shop for, as the proxy in front of the shop tells it.
type askedPage struct {
	origin string // scheme and host, such as https://shop.example; empty when it is not known
	uri    string // path and query; empty when it is not known
	method string
}

// asked reads what the proxy tells of the visitor's request. Only a trusted proxy is believed: its
// headers are its own, while those of anybody else are a visitor's. Envoy sends the visitor's host
// and method as they are, and the path below /v1/auth.
func (s *Server) asked(c *call) askedPage {
	h := &c.ctx.Request.Header
	page := askedPage{method: string(c.ctx.Method())}
	if !s.fromTrustedProxy(c) {
		return page
	}
	host := firstOf(h.PeekCanonical(headerForwardedHost))
	uri := h.PeekCanonical(headerForwardedURI)
	if c.target.route == routeAuthBelow {
		if len(host) == 0 {
			host = h.Host()
		}
		if len(uri) == 0 {
			uri = bytes.TrimPrefix(c.ctx.RequestURI(), authPrefix[:len(authPrefix)-1])
		}
	}
	page.uri = string(uri)
	if method := h.PeekCanonical(headerForwardedMethod); len(method) > 0 {
		page.method = string(method)
	}
	scheme := "http"
	if overTLS(c.ctx) {
		scheme = "https"
	}
	origin := scheme + "://" + string(host)
	if u, err := url.Parse(origin); err == nil && u.Host == string(host) && sale.AllowedTarget(origin) {
		page.origin = origin
	}
	return page
}

// firstOf returns the first of a list that each proxy on the way adds to: what the visitor asked.
func firstOf(list []byte) []byte {
	first, _, _ := bytes.Cut(list, []byte(","))
	return bytes.TrimSpace(first)
}

// roomLocation returns the absolute address of the waiting room, with the way back to the page that was
// asked for. It is empty when it is not known where visitors reach the waiting room: a relative address
// would be read as one of this server's, which visitors may not reach.
func (s *Server) roomLocation(c *call) string {
	page := s.asked(c)
	base := s.PublicURL
	if base == "" {
		base = page.origin
	}
	if base == "" {
		return ""
	}
	return base + s.roomBackTo(string(c.sale), wayBack(page, base), c.entry.Record().TargetURL)
}

// wayBack is the address of a page to go back to from a room at base. It is empty when the request was not a
// plain look at a page.
func wayBack(page askedPage, base string) string {
	switch {
	case page.uri == "" || (page.method != "GET" && page.method != "HEAD"):
		return ""
	case page.origin == "" || sameOrigin(page.origin, base):
		return page.uri
	default:
		return page.origin + page.uri
	}
}

// roomBackTo is the path of the room page, with the way back to a page if that is one that is gone back to.
func (s *Server) roomBackTo(saleID, back, target string) string {
	if back == "" || !s.mayReturnTo(back, target) {
		return roomPath(saleID)
	}
	return roomPath(saleID) + "?" + returnParam + "=" + url.QueryEscape(back)
}

func sameOrigin(a, b string) bool { return strings.EqualFold(a, b) }

// destination says where an admitted visitor of the room page goes: back to the page that they asked for,
// or to the sale's target with the query that they came with. Empty means that the sale names no shop.
func (s *Server) destination(c *call, rec *sale.Record) string {
	query := c.ctx.QueryArgs()
	if back := string(query.Peek(returnParam)); back != "" && s.mayReturnTo(back, rec.TargetURL) {
		return back
	}
	if rec.TargetURL == "" {
		return ""
	}
	return withQuery(rec.TargetURL, string(c.ctx.URI().QueryString()))
}

// mayReturnTo keeps the room page from sending people to hosts that nobody allowed: a page is on the
// waiting room's own host, on the sale's target host, or on a host of the setting.
func (s *Server) mayReturnTo(address, target string) bool {
	if len(address) > sale.MaxURLLength || !sale.AllowedTarget(address) {
		return false
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	if u.Host == "" {
		return true
	}
	for _, allowed := range []string{target, s.PublicURL} {
		if at, err := url.Parse(allowed); err == nil && strings.EqualFold(at.Host, u.Host) {
			return true
		}
	}
	for _, host := range s.ReturnHosts {
		if strings.EqualFold(host, u.Host) {
			return true
		}
	}
	return false
}

// withQuery adds the parameters of a query to an address. Those that the address has itself stay as
// they are: the shop's outrank the visitor's. What is ours, or not plain text, is left out, and so is
// everything when the address would become too long.
func withQuery(address, query string) string {
	base, fragment, hasFragment := strings.Cut(address, "#")
	_, own, hasQuery := strings.Cut(base, "?")
	taken, _ := url.ParseQuery(own)
	for pair := range strings.SplitSeq(query, "&") {
		name, plain := parameterName(pair)
		if !plain || taken.Has(name) || name == returnParam || strings.HasPrefix(name, "penstock_") {
			continue
		}
		separator := "?"
		if hasQuery {
			separator = "&"
		}
		if strings.HasSuffix(base, "?") {
			separator = ""
		}
		base += separator + pair
		hasQuery = true
	}
	if len(base) > sale.MaxURLLength {
		return address
	}
	if hasFragment {
		base += "#" + fragment
	}
	return base
}

// parameterName returns the decoded name of a pair of a query. Plain is false for what has characters
// that do not belong into an address.
func parameterName(pair string) (name string, plain bool) {
	for _, ch := range []byte(pair) {
		if ch <= ' ' || ch >= 0x7f || strings.IndexByte("\"<>\\^`{|}#", ch) >= 0 {
			return "", false
		}
	}
	encoded, value, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(encoded)
	if err != nil || name == "" {
		return "", false
	}
	_, err = url.QueryUnescape(value)
	return name, err == nil
}
