package front

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	ticketCookie = "penstock_ticket_"
	passCookie   = "penstock_pass_"
	// maxTokenBytes bounds what is looked at as a ticket or pass; ours are far shorter.
	maxTokenBytes = 2048
)

// Names of request headers, in the spelling to which fasthttp brings them.
var (
	ticketHeader = []byte("Penstock-Ticket")
	passHeader   = []byte("Penstock-Pass")
	cookieHeader = []byte("Cookie")
)

// ticketCookieAge is how long a browser keeps a ticket: longer than a sale and its aftermath, and
// with an end, so that old sales do not pile up in every request.
const ticketCookieAge = 7 * 24 * time.Hour

// maxTokens bounds how many tickets or passes of one request are looked at.
const maxTokens = 16

// token is a credential as it was presented.
type token struct {
	text     []byte // valid during the request
	sale     []byte // of a cookie: what its name says
	inHeader bool
}

// tokens are the credentials of one kind in a request. There may be several: a sibling domain can set
// cookies of the same name, and a program may send a header beside the browser's cookies. Which of them
// counts is decided by what is valid.
type tokens struct {
	header  []byte   // the first header
	headers [][]byte // the others
	cookies []byte
	prefix  string // of the cookie's name
	sale    []byte // empty means cookies of any sale
}

// tokens returns what was presented for the sale of the call, or for any sale when the call has none.
func (c *call) tokens(header []byte, cookiePrefix string) tokens {
	h := &c.ctx.Request.Header
	t := tokens{cookies: h.PeekCanonical(cookieHeader), prefix: cookiePrefix, sale: c.sale}
	if t.header = h.PeekCanonical(header); len(t.header) > 0 {
		// fasthttp keeps the list of the last look-up only.
		if all := h.PeekAll(string(header)); len(all) > 1 {
			t.headers = slices.Clone(all[1:])
		}
	}
	return t
}

// brings reports whether the request has any credential of a kind.
func (c *call) brings(header []byte, cookiePrefix string) (some bool) {
	presented := c.tokens(header, cookiePrefix)
	presented.all(func(token) bool {
		some = true
		return false
	})
	return some
}

// all goes through the credentials that are not empty, maxTokens at most: first the headers, then the cookies.
func (t *tokens) all(yield func(token) bool) {
	left := maxTokens
	offer := func(one token) bool {
		if len(one.text) == 0 {
			return true
		}
		left--
		one.text = clip(one.text)
		return yield(one) && left > 0
	}
	if !offer(token{text: t.header, inHeader: true}) {
		return
	}
	for _, text := range t.headers {
		if !offer(token{text: text, inHeader: true}) {
			return
		}
	}
	t.eachCookie(offer)
}

// eachCookie goes through the cookies of the kind. A browser brings a shop's whole jar along with each poll,
// so only our own are taken out of it.
func (t *tokens) eachCookie(yield func(token) bool) {
	for rest := t.cookies; len(rest) > 0; {
		var pair []byte
		pair, rest, _ = bytes.Cut(rest, []byte(";"))
		name, value, _ := bytes.Cut(bytes.TrimSpace(pair), []byte("="))
		if len(name) < len(t.prefix) || string(name[:len(t.prefix)]) != t.prefix {
			continue
		}
		of := name[len(t.prefix):]
		if len(t.sale) > 0 && !bytes.Equal(of, t.sale) {
			continue
		}
		if !yield(token{text: value, sale: of}) {
			return
		}
	}
}

func clip(text []byte) []byte { return text[:min(len(text), maxTokenBytes)] }

// setTicketCookie gives the browser its place to keep.
func (c *call) setTicketCookie(token string) {
	c.setCookie(ticketCookie, token, int64(ticketCookieAge/time.Second))
}

func (c *call) setPassCookie(token string, expiresAt, now time.Time) {
	c.setCookie(passCookie, token, max(1, int64(expiresAt.Sub(now)/time.Second)))
}

func (c *call) dropTicketCookie() { c.setCookie(ticketCookie, "", 0) }

func (c *call) dropPassCookie() { c.setCookie(passCookie, "", 0) }

// setCookie gives the browser a cookie of the sale.
func (c *call) setCookie(prefix, value string, maxAgeSeconds int64) {
	b := append(c.key[:0], prefix...)
	b = append(b, c.sale...)
	b = append(b, '=')
	b = append(b, value...)
	c.key = b
	c.keepPair(maxAgeSeconds)
}

// keepPair writes the pair in c.key as a cookie that scripts cannot read and other sites cannot send along
// with a form. A request that another site caused sets nothing: it came without the visitor's cookie
// (SameSite), and the answer would overwrite the place that the visitor has.
func (c *call) keepPair(maxAgeSeconds int64) {
	if string(c.ctx.Request.Header.Peek("Sec-Fetch-Site")) == "cross-site" && !c.ctx.IsGet() {
		return
	}
	b := append(c.key, "; Path=/; Max-Age="...)
	b = strconv.AppendInt(b, maxAgeSeconds, 10)
	b = append(b, "; HttpOnly; SameSite=Lax"...)
	if overTLS(c.ctx) {
		b = append(b, "; Secure"...)
	}
	c.key = b
	c.ctx.Response.Header.AddBytesKV(headerSetCookie, b)
}

// overTLS reports whether the visitor's own connection is encrypted. A proxy says so in
// X-Forwarded-Proto; a visitor who forges it makes only their own cookie stricter.
func overTLS(ctx *fasthttp.RequestCtx) bool {
	if ctx.IsTLS() {
		return true
	}
	return string(firstOf(ctx.Request.Header.PeekCanonical(headerForwardedProto))) == "https"
}
