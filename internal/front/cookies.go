package front

import (
	"bytes"
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

// token is a credential as it was presented. An empty one was not presented.
type token struct {
	text     []byte // valid during the request
	inHeader bool
}

func (t token) missing() bool { return len(t.text) == 0 }

func (c *call) presentedTicket() token { return c.presented(ticketHeader, ticketCookie) }

func (c *call) presentedPass() token { return c.presented(passHeader, passCookie) }

// presented prefers the header: who sets one means it, while a browser sends its cookies always.
func (c *call) presented(header []byte, cookiePrefix string) token {
	if text := c.ctx.Request.Header.PeekCanonical(header); len(text) > 0 {
		return token{text: clip(text), inHeader: true}
	}
	cookies := c.ctx.Request.Header.PeekCanonical(cookieHeader)
	if len(cookies) == 0 {
		return token{}
	}
	c.key = append(append(append(c.key[:0], cookiePrefix...), c.sale...), '=')
	return token{text: clip(cookieValue(cookies, c.key))}
}

// cookieValue finds the cookie whose pair begins with prefix ("name="). A browser brings a shop's
// whole jar along with each poll, so only the one cookie is taken out of it.
func cookieValue(cookies, prefix []byte) []byte {
	for len(cookies) > 0 {
		pair, rest, _ := bytes.Cut(cookies, []byte(";"))
		pair = bytes.TrimLeft(pair, " ")
		if bytes.HasPrefix(pair, prefix) {
			return bytes.TrimRight(pair[len(prefix):], " ")
		}
		cookies = rest
	}
	return nil
}

// onlyCookie returns the rest of the name of the one cookie whose name begins with prefix and whose
// value is not empty; nothing when several names do.
func onlyCookie(cookies, prefix []byte) []byte {
	var only []byte
	for len(cookies) > 0 {
		pair, rest, _ := bytes.Cut(cookies, []byte(";"))
		cookies = rest
		name, value, _ := bytes.Cut(bytes.TrimSpace(pair), []byte("="))
		name, ours := bytes.CutPrefix(name, prefix)
		if !ours || len(value) == 0 {
			continue
		}
		if only != nil && !bytes.Equal(only, name) {
			return nil
		}
		only = name
	}
	return only
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

// setCookie writes a cookie that scripts cannot read and other sites cannot send along with a form.
// A request that another site caused sets nothing: it came without the visitor's cookie
// (SameSite), and the answer would overwrite the place that the visitor has.
func (c *call) setCookie(prefix, value string, maxAgeSeconds int64) {
	if string(c.ctx.Request.Header.Peek("Sec-Fetch-Site")) == "cross-site" && !c.ctx.IsGet() {
		return
	}
	b := append(c.key[:0], prefix...)
	b = append(b, c.sale...)
	b = append(b, '=')
	b = append(b, value...)
	b = append(b, "; Path=/; Max-Age="...)
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
	proto := ctx.Request.Header.Peek("X-Forwarded-Proto")
	if first, _, several := bytes.Cut(proto, []byte(",")); several {
		proto = first
	}
	return string(bytes.TrimSpace(proto)) == "https"
}
