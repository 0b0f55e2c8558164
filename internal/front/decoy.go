package front

import (
	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// The decoy line answers as the line does, and nothing of the line is touched: a decoy may have the number of
// somebody's ticket. A newcomer gets there by what they did themselves or by what the shop has said of where they come
// from, and never for what others behind their address did.

// mayGetDecoy reports whether a newcomer could be sent to the decoy line at all: where there is a line, and the shop
// does not vouch for them.
func mayGetDecoy(c *call, rec *sale.Record, person []queue.PlaceKey) bool {
	vouchedFor := len(person) > 0 || rec.Identity.InviteOnly
	return !vouchedFor && !rec.Shadow && c.entry.Mode() == sale.Queue && c.entry.Room().HasDecoyLine()
}

// getsDecoy reports whether a newcomer gets a decoy instead of the refusal.
func (j *judgement) getsDecoy(rec *sale.Record) bool {
	return j.refusal != nil && j.decoy && rec.Bots.Decoy == sale.DecoyOn
}

// decoysOf is under what the limits count decoys: apart, so that they use up nothing of the people behind an address.
func decoysOf(rec *sale.Record) string { return rec.ID + " decoys" }

// limitAsDecoy has a newcomer use up what is left to decoys, instead of what is left to people.
func (s *Server) limitAsDecoy(c *call, rec *sale.Record, j *judgement) {
	rules := rec.Bots.Limits.Resolved()
	j.taken.GiveBack(c.ctx.Time())
	s.limitJoin(c, j, bots.Who{Sale: decoysOf(rec), Address: s.clientAddress(c, rules.Unforwarded)}, rules)
}

// enterDecoyLine gives a decoy.
func (s *Server) enterDecoyLine(c *call, wanted queue.Interest, onlyCalled bool) (place, error) {
	if onlyCalled {
		return place{}, queue.ErrMustWait
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	decoy, err := c.entry.Room().JoinDecoy(ctx, queue.Newcomer{Interest: wanted, Outside: s.outside(ctx, c)})
	if err != nil {
		return place{}, err
	}
	here := s.look(c, held{decoy: &decoy}, s.Tickets.SignDecoy(decoy))
	c.setTicketCookie(here.token)
	return here, nil
}

func decoyActor(decoy queue.Decoy) string { return "decoy " + decoy.Number().String() }

// sendSameDecoy tells the place that the holder of a decoy has. Who names items gets a new decoy that remembers them.
func (s *Server) sendSameDecoy(c *call, here place, request joinRequest) error {
	if _, err := c.interest(request); err != nil {
		return err
	}
	here = s.renamedDecoy(c, here, request)
	c.sendPlace(200, &here)
	return nil
}

func (s *Server) renamedDecoy(c *call, here place, request joinRequest) place {
	wanted, err := c.interest(request)
	if err != nil || !request.named || wanted == here.decoy.Interest() {
		return here
	}
	decoy := here.decoy.Naming(wanted)
	here = s.look(c, held{decoy: &decoy}, s.Tickets.SignDecoy(decoy))
	c.setTicketCookie(here.token)
	return here
}

// claimDecoy refuses a pass, as somebody who waits is refused one.
func (s *Server) claimDecoy(c *call, decoy queue.Decoy) error {
	if err := intact(c.entry); err != nil {
		return err
	}
	if err := s.mayAct(c, decoyActor(decoy)); err != nil {
		return err
	}
	return c.entry.Room().ClaimDecoy(decoy)
}
