package front

import (
	"context"
	"strconv"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

// place is a visitor's ticket and what it says now.
type place struct {
	held
	token     string
	view      queue.View
	inAddress bool // the ticket came in the address of the page
}

// postTickets gives a place in the line, or tells the one the visitor has.
//
// A ticket that is not believed is refused when it came in the header, where a program put it. In
// a cookie it is passed over and replaced: after a change of keys or an older sale of the same
// name, a browser sends what it has, and must not be locked out for it.
func (s *Server) postTickets(c *call) error {
	request, err := c.readJoin()
	if err != nil {
		return err
	}
	var own *queue.Ticket
	got, err := s.presented(c)
	switch rec := c.entry.Record(); {
	case err == nil && request.identifies(&rec):
		if got.decoy == nil {
			own = &got.ticket
		}
	case err == nil:
		return s.sendSame(c, &got, request)
	case got.inHeader:
		return err
	}
	joined, had, err := s.enter(c, request, own, false)
	if err != nil {
		return err
	}
	if had {
		return s.sendSamePlace(c, joined.ticket, joined.token, request)
	}
	c.sendPlace(201, &joined)
	return nil
}

// sendSame tells the place that was presented.
func (s *Server) sendSame(c *call, got *presented, request joinRequest) error {
	if err := seen(c.entry); err != nil {
		return err
	}
	if got.decoy != nil {
		return s.sendSameDecoy(c, s.look(c, got.held, string(got.text)), request)
	}
	return s.sendSamePlace(c, got.ticket, string(got.text), request)
}

// sendSamePlace tells the place that a visitor has. Who names items gets a new ticket with the same place: it
// remembers them, and an empty list forgets them.
func (s *Server) sendSamePlace(c *call, ticket queue.Ticket, text string, request joinRequest) error {
	ticket, changed, err := s.rename(c, ticket, request)
	if err != nil {
		return err
	}
	if changed {
		text = s.Tickets.Sign(ticket)
		c.setTicketCookie(text)
	}
	here := s.look(c, held{ticket: ticket}, text)
	c.sendPlace(200, &here)
	return nil
}

// join lets a visitor in: called at once while nobody waits and there is room, else at the end of the line. Codes:
// join_refused, sale_not_open, room_full, rate_limited, overloaded, unavailable.
func (s *Server) join(c *call, request joinRequest) (place, error) {
	here, _, err := s.enter(c, request, nil, false)
	return here, err
}

// passThrough is join for a visitor who is given nothing unless they are called at once. The error is queue.ErrMustWait
// then.
func (s *Server) passThrough(c *call, request joinRequest) (place, error) {
	here, _, err := s.enter(c, request, nil, true)
	return here, err
}

// enter judges a newcomer and has the room give a number, or tell the place that there is for who they are: had.
// Own is the ticket that the visitor brought, nil for none.
func (s *Server) enter(c *call, request joinRequest, own *queue.Ticket, onlyCalled bool) (here place, had bool, err error) {
	mode := c.entry.Mode()
	if !mode.TakesNewcomers() {
		return place{}, false, problem.With(problem.JoinRefused, "this waiting room takes nobody in")
	}
	if c.load >= loadTickets {
		return place{}, false, problem.Retry(problem.Overloaded, "too many visitors are joining; come back in a moment", shedRetrySeconds)
	}
	if err := intact(c.entry); err != nil {
		return place{}, false, err
	}
	c.entry.Room().Arrive()
	wanted, err := c.interest(request)
	if err != nil {
		return place{}, false, err
	}
	who, judged, err := s.mayEnter(c, request)
	gotNew := false
	defer func() { s.settle(c, &judged, gotNew, err) }()
	if rec := c.entry.Record(); err != nil && judged.getsDecoy(&rec) {
		here, err = s.enterDecoyLine(c, wanted, onlyCalled)
		gotNew = err == nil
		return here, false, err
	}
	if err != nil {
		return place{}, false, err
	}
	who.Like.Interest, who.KeepLate = wanted, request.keepLate
	ctx, cancel := within(stageTimeout)
	defer cancel()
	who.Outside = s.outside(ctx, c)
	ticket, had, err := s.takePlace(ctx, c.entry.Room(), who, own, onlyCalled)
	if err == nil && ticket.Number == 0 {
		err = judged.refusal
	}
	if err != nil {
		return place{}, false, err
	}
	gotNew = !had && (own == nil || own.Number != ticket.Number)
	token := s.Tickets.Sign(ticket)
	here = s.look(c, held{ticket: ticket}, token)
	if err := usedUp(who, here); err != nil {
		return place{}, false, err
	}
	c.setTicketCookie(token)
	return here, had, nil
}

// outside is what this node knows of the stock and the level, by which a newcomer may be called at once, and who is
// late admitted. While it cannot be learnt, nobody is: the stock may be another one meanwhile.
func (s *Server) outside(ctx context.Context, c *call) queue.Outside {
	if c.entry.Freshen(ctx) != nil {
		return queue.Outside{}
	}
	return c.entry.Outside(s.level().AdmissionFactor())
}

// look tells the place of what a visitor has, from memory.
func (s *Server) look(c *call, has held, token string) place {
	return place{held: has, token: token, view: s.view(c.entry, c.load, &has)}
}

// view tells what a ticket or a decoy says now, from memory.
func (s *Server) view(entry *salecache.Entry, now load, has *held) (view queue.View) {
	room, phase, heldOut := entry.Room(), entry.Phase(), entry.HeldOut()
	if has.decoy != nil {
		view = room.LookDecoy(*has.decoy, phase, heldOut)
	} else {
		view = room.Look(has.ticket, phase, heldOut)
	}
	if now > loadCalm || s.level() > 0 { // while there is much to do, visitors ask less often
		window := entry.Record().Admission.ClaimWindow.Std()
		view.PollAfterMillis = s.stretch(view.PollAfterMillis, now, window)
	}
	return view
}

// getTicket is the poll: the one call that every waiting visitor makes again and again. It is
// answered from memory.
func (s *Server) getTicket(c *call) (err error) {
	tokens := c.tokens(ticketHeader, ticketCookie)
	if c.buf, err = s.appendPoll(c.buf, c.entry, c.load, &tokens); err != nil {
		return err
	}
	c.sendJSON(200)
	return nil
}

// appendPoll writes what a poll is told. Errors: ticket_required, ticket_invalid, unavailable.
func (s *Server) appendPoll(b []byte, entry *salecache.Entry, now load, tokens *tokens) ([]byte, error) {
	got, err := s.presentedAmong(entry, tokens)
	if err != nil {
		return b, err
	}
	if err := seen(entry); err != nil {
		return b, err
	}
	view := s.view(entry, now, &got.held)
	return appendPlace(b, got.text, &view), nil
}

// deleteTicket leaves the line, and the next in it moves up.
func (s *Server) deleteTicket(c *call) error {
	got, err := s.presented(c)
	if err != nil {
		return err
	}
	if err := intact(c.entry); err != nil {
		return err
	}
	if got.decoy != nil {
		c.dropTicketCookie()
		c.sendNothing()
		return nil
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	if err := c.entry.Room().Leave(ctx, got.ticket); err != nil {
		return err
	}
	if s.Notify != nil {
		rec := c.entry.Record()
		s.Notify.Left(&rec.Sale, got.ticket)
	}
	c.dropTicketCookie()
	c.sendNothing()
	return nil
}

func (c *call) sendPlace(status int, p *place) {
	c.buf = appendPlace(c.buf, p.token, &p.view)
	c.sendJSON(status)
}

// appendPlace writes the ticket document. Place and distance are null before a draw: nobody has
// a place then.
func appendPlace[T string | []byte](b []byte, token T, v *queue.View) []byte {
	b = append(b, `{"ticket":`...)
	b = appendString(b, token)
	b = append(b, `,"state":"`...)
	b = append(b, v.State...)
	if v.PlaceKnown {
		b = append(b, `","place":`...)
		b = strconv.AppendUint(b, v.Place, 10)
		b = append(b, `,"ahead":`...)
		b = strconv.AppendUint(b, v.Ahead, 10)
	} else {
		b = append(b, `","place":null,"ahead":null`...)
	}
	if v.Lane != "" {
		b = append(b, `,"lane":`...)
		b = appendString(b, v.Lane)
	}
	b = append(b, `,"eta_seconds":{"p50":`...)
	b = strconv.AppendInt(b, v.ETAP50Seconds, 10)
	b = append(b, `,"p90":`...)
	b = strconv.AppendInt(b, v.ETAP90Seconds, 10)
	b = append(b, `},"poll_after_ms":`...)
	b = strconv.AppendInt(b, v.PollAfterMillis, 10)
	if !v.ClaimBefore.IsZero() {
		b = append(b, `,"claim_before":`...)
		b = appendTime(b, v.ClaimBefore)
	}
	if !v.TakeUpBefore.IsZero() {
		b = append(b, `,"take_up_before":`...)
		b = appendTime(b, v.TakeUpBefore)
	}
	return append(appendOutlook(b, v), '}')
}

// appendOutlook writes what the visitor may expect, and of which items.
func appendOutlook(b []byte, v *queue.View) []byte {
	if v.Outlook != "" {
		b = append(b, `,"outlook":"`...)
		b = append(b, v.Outlook...)
		b = append(b, '"')
	}
	if v.Named == 0 {
		return b
	}
	b = append(b, `,"items":[`...)
	for i := range v.Items[:v.Named] {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"sku":`...)
		b = appendString(b, v.Items[i].SKU)
		b = append(b, `,"outlook":"`...)
		b = append(b, v.Items[i].Outlook...)
		b = append(b, `"}`...)
	}
	return append(b, ']')
}
