package front

import (
	"strings"

	"github.com/penstock/penstock/internal/identity"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// serveIdentified gives the place of who the visitor says to be, and goes on to the address without that. Had is the
// place of the ticket that came along, which a refusal takes from nobody.
func (s *Server) serveIdentified(c *call, rec *sale.Record, phase sale.Phase, request joinRequest, had place) error {
	var own *queue.Ticket
	if had.token != "" && had.decoy == nil {
		own = &had.ticket
	}
	if rec.Identity.InviteOnly {
		c.setDeviceCookie() // so that an invite can be brought again when the answer is lost
		if own == nil && !c.keepsCookies() {
			return s.checkCookies(c, rec) // an invite is good once, and must not be lost
		}
	}
	request.keepLate = true // a link gives nothing up
	here, _, err := s.enter(c, request, own, false)
	switch {
	case err != nil && had.token != "":
		return s.servePlace(c, rec, phase, had)
	case err != nil:
		return s.sendJoinRefusal(c, rec, phase, err)
	case here.view.State == queue.Called || here.view.State == queue.Admitted:
		return s.servePlace(c, rec, phase, here)
	default:
		return c.seeOther(c.withoutNames())
	}
}

// withoutNames is the address of the page without what says who the visitor is, so that neither a log nor a
// bookmark keeps it. The page then tells whether the browser keeps cookies.
func (c *call) withoutNames() string {
	query := c.ctx.QueryArgs()
	query.Del(memberJoinToken)
	query.Del(memberInvite)
	query.Del(cookieCheck)
	if !c.keepsCookies() {
		query.Set(cookieCheck, "1")
	}
	if rest := query.String(); rest != "" {
		return roomPath(c.sale) + "?" + strings.TrimPrefix(rest, "&")
	}
	return roomPath(c.sale)
}

// reasonOf is why somebody was not let in, if it has to do with who they are.
func reasonOf(doc *problem.Problem) identity.Reason {
	for _, field := range doc.Fields {
		if reason, ok := field.Value.(identity.Reason); ok && field.Name == identity.ReasonField {
			return reason
		}
	}
	return ""
}

// describeRefused is for somebody who was not let in for who they are, or as that could not be told.
func describeRefused(rec *sale.Record, reason identity.Reason) roomView {
	v := describeBlocked(rec)
	switch reason {
	case identity.TokenExpired:
		v.Lead = "blocked.lead_expired"
	case identity.InviteRequired:
		v.Lead = "blocked.lead_invite"
	case identity.InviteUsed:
		v.Lead = "blocked.lead_used"
	case identity.InviteInvalid:
		v.Lead = "blocked.lead_unknown"
	default:
		v.Lead = "blocked.lead_shop"
	}
	return v
}

// describeLimited is for somebody from whose network too much came.
func describeLimited(rec *sale.Record) roomView {
	v := describeBlocked(rec)
	v.Lead = "blocked.lead_limit"
	v.RefreshSeconds, v.ReloadMillis = maxRefreshSeconds, spread(maxRefreshSeconds*1000)
	return v
}
