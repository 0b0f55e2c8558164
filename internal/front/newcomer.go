package front

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// A browser that keeps no cookies would take a new place with each view of the room page, and lose each
// of them. So a newcomer who would have to wait first gets a cookie that says nothing, and a place when it comes
// back with it. A parameter of the same name marks the second request.
const cookieCheck = "penstock_cookies"

var (
	cookieCheckPair = []byte(cookieCheck + "=1")
	ownCookies      = []byte("penstock_") // what the names of our cookies begin with
)

// keepsCookies reports whether the browser brought a cookie of ours.
func (c *call) keepsCookies() bool {
	return bytes.Contains(c.ctx.Request.Header.PeekCanonical(cookieHeader), ownCookies)
}

// checkCookieLine is the header line by which the proxy gives the cookie along to somebody who is sent to the
// waiting room without a cookie of ours.
func checkCookieLine(cookies []byte) string {
	if bytes.Contains(cookies, ownCookies) {
		return ""
	}
	return "Set-Cookie: " + string(cookieCheckPair) + "; Path=/; Max-Age=" + strconv.Itoa(int(ticketCookieAge/time.Second)) +
		"; HttpOnly; SameSite=Lax\r\n"
}

// serveNewcomer gives a place to somebody who opens the page.
func (s *Server) serveNewcomer(c *call, rec *sale.Record, phase sale.Phase) error {
	if c.keepsCookies() {
		return s.joinAndServe(c, rec, phase, s.join)
	}
	// Whoever was sent here by the gate and brought no cookie may have been let through a moment before, with a
	// cookie that the browser did not keep.
	if phase != sale.PhaseLive || c.ctx.QueryArgs().Has(returnParam) {
		return s.checkCookies(c, rec)
	}
	return s.joinAndServe(c, rec, phase, s.passThrough)
}

func (s *Server) joinAndServe(c *call, rec *sale.Record, phase sale.Phase, join func(*call, joinRequest) (place, error)) error {
	here, err := join(c, c.joinFromQuery())
	switch {
	case errors.Is(err, queue.ErrMustWait), err != nil && c.ctx.QueryArgs().Has(cookieCheck) && !c.keepsCookies():
		return s.checkCookies(c, rec)
	case err != nil:
		return s.sendJoinRefusal(c, rec, phase, err)
	case c.ctx.IsPost() && here.view.State != queue.Called && here.view.State != queue.Admitted:
		return c.seeOther(c.roomAgain()) // so that loading the page again sends no form again
	}
	return s.servePlace(c, rec, phase, here)
}

// checkCookies sends a newcomer to the same page once more, with a cookie. One who comes back without it
// is told that a place cannot be kept.
func (s *Server) checkCookies(c *call, rec *sale.Record) error {
	c.setCheckCookie()
	if c.ctx.QueryArgs().Has(cookieCheck) {
		return s.sendRoom(c, 200, rec, describeNoCookies(rec))
	}
	again := c.roomAgain()
	separator := "?"
	if strings.Contains(again, "?") {
		separator = "&"
	}
	return c.seeOther(again + separator + string(cookieCheckPair))
}

func (c *call) setCheckCookie() {
	c.key = append(c.key[:0], cookieCheckPair...)
	c.keepPair(int64(ticketCookieAge / time.Second))
}
