package front

import (
	"strconv"
	"strings"
	"time"
)

// fromCookie keeps how many were ahead when a visitor first saw a place: "<entry number>.<ahead>". So the page can
// show how much of the way is done, and the server keeps nothing.
const fromCookie = "penstock_from_"

// maxFrom is more than any line has; what says more was not written here.
const maxFrom = 1 << 32

// whereBegun returns how many were ahead of a place when the page first showed it. It is noted if this is the first
// time, and whenever the line has become longer for this place since.
func (c *call) whereBegun(here place) uint64 {
	ahead, noted := here.view.Ahead, uint64(0)
	presented := tokens{cookies: c.ctx.Request.Header.PeekCanonical(cookieHeader), prefix: fromCookie, sale: c.sale}
	presented.all(func(one token) bool {
		number, from, _ := strings.Cut(string(one.text), ".")
		if number == here.number().String() {
			noted, _ = strconv.ParseUint(from, 10, 64)
		}
		return noted == 0
	})
	if noted >= ahead && noted <= maxFrom {
		return noted
	}
	c.setCookie(fromCookie, here.number().String()+"."+strconv.FormatUint(ahead, 10), int64(ticketCookieAge/time.Second))
	return ahead
}

// begin notes how many were ahead at first.
func (p *roomPage) begin(ahead uint64) {
	p.From = ahead
	if ahead > p.Place.Ahead {
		p.Progress = int((ahead - p.Place.Ahead) * 100 / ahead)
	}
}
