package front

import (
	"net/url"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

const (
	// ticketParameter carries the ticket in the address of the page, for a browser that keeps no cookies. What begins with
	// penstock_ is never handed on to the shop.
	ticketParameter = "penstock_ticket"
	// placeLink is in the address of the form that gives such a place.
	placeLink = "penstock_link"
)

// placeInAddress tells the place of a ticket in the address.
func (s *Server) placeInAddress(c *call) (place, bool) {
	text := c.ctx.QueryArgs().Peek(ticketParameter)
	if len(text) == 0 || c.target.route != routeRoomPage {
		return place{}, false
	}
	token := string(clip(text))
	here, err := s.placeBy(c, token)
	if err != nil {
		return place{}, false
	}
	here.inAddress = true
	return here, true
}

// roomWithTicket is the address of the page with a ticket in it.
func (c *call) roomWithTicket(token string) string {
	return c.roomPathWith(ticketParameter, token)
}

// roomPathWith is the address of the page with one of our parameters. Those that only ask for one view, or have been acted
// on, are left out; so is a ticket, if another one takes its place. An empty name adds nothing.
func (c *call) roomPathWith(name string, value ...string) string {
	var query strings.Builder
	for pair := range strings.SplitSeq(string(c.ctx.URI().QueryString()), "&") {
		key, _, _ := strings.Cut(pair, "=")
		switch key {
		case "", placeLink, deviceView, notifyView, moveLink, renewForm, cookieCheck, previewName, name:
			continue
		}
		query.WriteString("&" + pair)
	}
	if name != "" {
		query.WriteString("&" + name + "=" + url.QueryEscape(strings.Join(append(value, "1")[:1], "")))
	}
	if query.Len() == 0 {
		return roomPath(c.sale)
	}
	return roomPath(c.sale) + "?" + query.String()[1:]
}

// needsCookies reports that an admitted visitor cannot use the pass: the shop is on this host and gets it as a cookie,
// and the browser brought none of ours.
func (s *Server) needsCookies(c *call, rec *sale.Record) bool {
	u, err := url.Parse(s.destination(c, rec))
	return err == nil && !c.keepsCookies() && (!s.elsewhere(c, u) || rec.Handover == sale.HandoverNone)
}
