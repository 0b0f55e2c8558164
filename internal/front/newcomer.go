package front

import (
	"bytes"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// A browser that keeps no cookies would take a new place with each view of the room page, and lose each
// of them. So a newcomer first gets a cookie that says nothing, and a place when it comes back with it.
// A parameter of the same name marks the second request.
const cookieCheck = "penstock_cookies"

var cookieCheckPair = []byte(cookieCheck + "=1")

// keepsCookies reports whether the browser brought the cookie that says nothing.
func (c *call) keepsCookies() bool {
	return bytes.Contains(c.ctx.Request.Header.PeekCanonical(cookieHeader), cookieCheckPair)
}

// checkCookies sends a newcomer to the same page once more, with a cookie. One who comes back without it
// is told that a place cannot be kept.
func (s *Server) checkCookies(c *call, rec *sale.Record) error {
	c.key = append(c.key[:0], cookieCheckPair...)
	c.keepPair(int64(ticketCookieAge / time.Second))
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
