package front

import (
	"errors"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// memberTakeUp is the button of the form of somebody who missed the turn and still wants it.
const memberTakeUp = "take_up"

// takeUpFromPage admits a visitor who comes late, or says that there is no room. From whoever is not late the page is
// what they want.
func (s *Server) takeUpFromPage(c *call, rec *sale.Record, here place) error {
	phase := c.entry.Phase()
	if here.view.State != queue.Missed || here.view.TakeUpBefore.IsZero() || phase != sale.PhaseLive {
		return c.seeOther(c.roomAgain())
	}
	_, _, _, err := s.claim(c, here.ticket, true)
	if doc, known := problemOf(err); err == nil || !known || doc.Code != problem.TurnMissed {
		if known {
			s.refused(c, doc.Code)
		}
		return c.seeOther(c.roomAgain()) // which goes on to the shop, or says what is the matter
	}
	s.refused(c, problem.TurnMissed)
	here = s.look(c, here.held, here.token)
	view := describePlace(rec, phase, here)
	if view.OfferTakeUp {
		view.Lead = "late.lead_full"
	}
	return s.sendPlaceInLine(c, rec, view, here)
}

// giveUp has a visitor who joined again not take up the turn before as well. Should it fail, that turn is over soon.
func (s *Server) giveUp(c *call, missed place) {
	ctx, cancel := within(stageTimeout)
	defer cancel()
	if err := c.entry.Room().Leave(ctx, missed.ticket); err != nil {
		s.log.Debug("a turn that was missed is not given up; it lapses", "error", err)
	}
}

// takeUpBeforeOf is until when the turn may be taken up, as a refused claim says; zero when it may not.
func takeUpBeforeOf(err error) time.Time {
	var refusal *problem.Refusal
	if errors.As(err, &refusal) {
		for _, field := range refusal.Fields {
			if at, ok := field.Value.(time.Time); ok && field.Name == queue.TakeUpField {
				return at
			}
		}
	}
	return time.Time{}
}
