package front

import (
	"errors"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// renewForm is in the address of the form with which the page prolongs a pass.
const renewForm = "penstock_renew"

// describeInside is for a sale that names no shop to go on to. The pass is empty in a sale that needs none.
func describeInside(rec *sale.Record, pass queue.Pass) roomView {
	v := newRoomView(rec, "admitted", queue.Admitted)
	if !pass.ExpiresAt.IsZero() {
		v.showMoment("admitted.until", pass.ExpiresAt)
		v.OfferRenewal = rec.Admission.Renewal.Max > 0
	}
	return v
}

// renewFromPage is the form of somebody who wants to stay longer. Whose pass is over is shown the page as it is then.
func (s *Server) renewFromPage(c *call, rec *sale.Record) error {
	pass, err := s.passHere(c)
	if err != nil {
		return c.seeOther(c.roomPathWith(""))
	}
	_, err = s.renew(c, pass)
	if errors.Is(err, problem.RenewalRefused) {
		view := describeInside(rec, pass)
		view.Lead, view.OfferRenewal = "admitted.lead_most", false
		return s.sendRoom(c, 200, rec, view)
	}
	if errors.Is(err, problem.Unavailable) {
		return s.sendReturning(c, rec, place{})
	}
	return c.seeOther(c.roomPathWith(""))
}

// renew prolongs a pass, and lets the browser keep it.
func (s *Server) renew(c *call, pass queue.Pass) (queue.Renewal, error) {
	ctx, cancel := within(stageTimeout)
	defer cancel()
	renewed, err := c.entry.Room().Renew(ctx, pass)
	if err == nil {
		c.setPassCookie(renewed.Token, renewed.Pass.ExpiresAt, c.entry.Now())
	}
	return renewed, err
}
