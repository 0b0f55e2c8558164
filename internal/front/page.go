package front

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// getRoomPage is the waiting room. It lets a newcomer in, tells who waits how things stand, admits
// who is called, and sends who is admitted on to the shop: all of it without JavaScript.
func (s *Server) getRoomPage(c *call) error {
	if c.ctx.QueryArgs().Has(previewName) {
		return s.servePreview(c)
	}
	if c.entry == nil {
		return s.sendUnknownSale(c)
	}
	rec := c.record()
	if c.ctx.QueryArgs().Has(moveLink) {
		return s.askToMove(c, &rec)
	}
	if rec.Admission.PassBinding == sale.BindDevice {
		c.setDeviceCookie()
	}
	_, err := s.passHere(c)
	if err != nil && c.entry.Mode() == sale.Open {
		c.entry.Room().Arrive()
	}
	if err == nil || c.entry.Mode() == sale.Open || rec.Shadow {
		return s.sendToShop(c, &rec)
	}
	phase := c.entry.Phase()
	here, ok := s.placeOf(c)
	if intact(c.entry) != nil && phase != sale.PhaseEnded {
		return s.sendReturning(c, &rec, here)
	}
	request := c.joinFromQuery()
	identified := request.identifies(&rec)
	if ok && !identified {
		return s.servePlace(c, &rec, phase, s.renamed(c, here))
	}
	if !mayJoin(c, &rec, phase) {
		if ok {
			return s.servePlace(c, &rec, phase, here)
		}
		return s.sendRoom(c, 200, &rec, describeOutside(&rec, phase, c.entry.Now()))
	}
	if identified {
		return s.serveIdentified(c, &rec, phase, request, here)
	}
	return s.serveNewcomer(c, &rec, phase)
}

// servePreview shows a state of the page to who has the link for it, also of a sale that is still a draft.
func (s *Server) servePreview(c *call) error {
	if c.entry == nil {
		return s.sendDraftPreview(c)
	}
	rec := c.record()
	return s.sendPreview(c, &rec, c.entry.Now())
}

// record is the sale with the message that is to be shown now.
func (c *call) record() sale.Record {
	rec := c.entry.Record()
	rec.Message = c.entry.Message()
	return rec
}

// joinFromPage is what the forms of the page send. Whoever still has a place keeps it.
func (s *Server) joinFromPage(c *call) error {
	if c.entry == nil {
		return s.sendUnknownSale(c)
	}
	rec := c.record()
	if intact(c.entry) != nil || rec.Shadow || c.ctx.QueryArgs().Has(previewName) {
		return c.seeOther(c.roomAgain()) // the page says that the sale is coming back
	}
	if string(c.ctx.Request.Header.Peek("Sec-Fetch-Site")) == "cross-site" {
		return c.seeOther(c.roomAgain())
	}
	if c.ctx.QueryArgs().Has(moveLink) {
		return s.moveHere(c)
	}
	if c.ctx.QueryArgs().Has(notifyView) {
		return s.notifyFromPage(c, &rec)
	}
	if c.ctx.QueryArgs().Has(renewForm) {
		return s.renewFromPage(c, &rec)
	}
	here, ok := s.placeOf(c)
	if ok && c.ctx.PostArgs().Has(memberTakeUp) {
		return s.takeUpFromPage(c, &rec, here)
	}
	return s.joinAgain(c, &rec, here, ok)
}

// joinAgain gives a place to whoever missed the turn, and one in the address to whoever keeps no cookies. Ok says that
// the visitor has a place: here.
func (s *Server) joinAgain(c *call, rec *sale.Record, here place, ok bool) error {
	request := c.joinFromQuery()
	byLink := !ok && c.ctx.QueryArgs().Has(placeLink) && !c.keepsCookies() && mayJoin(c, rec, c.entry.Phase())
	if !byLink && (!ok || here.view.State != queue.Missed) {
		return s.joinWithProof(c, rec, request, here)
	}
	joined, err := s.join(c, request)
	if err != nil {
		return s.sendJoinRefusal(c, rec, c.entry.Phase(), err)
	}
	if ok && !here.view.TakeUpBefore.IsZero() {
		s.giveUp(c, here)
	}
	if byLink || here.inAddress {
		return c.seeOther(c.roomWithTicket(joined.token))
	}
	return c.seeOther(c.roomAgain())
}

// joinWithProof is the form that the page's script sends when it has solved the challenge of a newcomer. Had is the
// place of the ticket that came along. Without a proof nothing happens: the page gives a place to a newcomer.
func (s *Server) joinWithProof(c *call, rec *sale.Record, request joinRequest, had place) error {
	phase, identified := c.entry.Phase(), request.identifies(rec)
	switch {
	case request.proof == "" || !mayJoin(c, rec, phase) || had.token != "" && !identified:
		return c.seeOther(c.roomAgain())
	case identified:
		return s.serveIdentified(c, rec, phase, request, had)
	default:
		return s.serveNewcomer(c, rec, phase)
	}
}

// roomAgain is the address of the page that was asked for, with its query.
func (c *call) roomAgain() string {
	if query := c.ctx.URI().QueryString(); len(query) > 0 {
		return roomPath(c.sale) + "?" + string(query)
	}
	return roomPath(c.sale)
}

// placeOf tells the place of the ticket that came along. One that is not believed is as good as none.
func (s *Server) placeOf(c *call) (place, bool) {
	if seen(c.entry) != nil {
		return place{}, false
	}
	here, _, err := s.bearer(c)
	if err != nil {
		return s.placeInAddress(c)
	}
	return here, true
}

// mayJoin says whether opening the page now takes a place. Looking ahead does not: neither a HEAD
// request nor a browser that fetches the page in case it is wanted.
func mayJoin(c *call, rec *sale.Record, phase sale.Phase) bool {
	h := &c.ctx.Request.Header
	if c.ctx.IsHead() || bytes.Contains(h.Peek("Sec-Purpose"), []byte("prefetch")) || bytes.Equal(h.Peek("Purpose"), []byte("prefetch")) {
		return false
	}
	if !rec.Admission.Mode.TakesNewcomers() {
		return false
	}
	return phase == sale.PhasePrequeue || phase == sale.PhaseLive || phase == sale.PhasePaused
}

// renamed is the place of somebody who came back to the page by a link that names other items. When that cannot
// be noted now, the page is shown as it would be without.
func (s *Server) renamed(c *call, here place) place {
	if c.ctx.IsHead() || here.inAddress {
		return here
	}
	if here.decoy != nil {
		return s.renamedDecoy(c, here, c.joinFromQuery())
	}
	ticket, changed, err := s.rename(c, here.ticket, c.joinFromQuery())
	if err != nil || !changed {
		return here
	}
	token := s.Tickets.Sign(ticket)
	c.setTicketCookie(token)
	return s.look(c, held{ticket: ticket}, token)
}

// sendJoinRefusal words a refusal for a person. What is not theirs to know is answered as ever.
func (s *Server) sendJoinRefusal(c *call, rec *sale.Record, phase sale.Phase, err error) error {
	doc, known := problemOf(err)
	switch {
	case !known:
		return err
	case doc.Code == problem.Unavailable:
		return s.sendReturning(c, rec, place{})
	}
	s.refused(c, doc.Code)
	switch {
	case doc.Code == problem.ProofRequired, doc.Code == problem.ProofInvalid:
		c.setCheckCookie() // the form comes with it, and then a place can be given
		return s.sendRoom(c, 200, rec, describeProof(rec, challengeOf(&doc)))
	case reasonOf(&doc) != "":
		return s.sendRoom(c, doc.Status, rec, describeRefused(rec, reasonOf(&doc)))
	case doc.Code == problem.RateLimited:
		c.setRetryAfter(&doc)
		return s.sendRoom(c, doc.Status, rec, describeLimited(rec))
	case doc.Code == problem.JoinRefused && mayJoin(c, rec, phase):
		return s.sendRoom(c, doc.Status, rec, describeBlocked(rec))
	case doc.Code == problem.SaleNotOpen, doc.Code == problem.JoinRefused:
		return s.sendRoom(c, 200, rec, describeOutside(rec, phase, c.entry.Now()))
	case doc.Status == 503:
		c.ctx.Response.Header.Set("Retry-After", "5")
	}
	return s.sendRoom(c, doc.Status, rec, describeFull(rec))
}

// refused notes a refusal that is answered with a page.
func (s *Server) refused(c *call, code problem.Code) {
	c.code = code
	s.metrics.refused(code)
}

// servePlace shows a place, or acts on it when it was called.
func (s *Server) servePlace(c *call, rec *sale.Record, phase sale.Phase, here place) error {
	state := here.view.State
	if (state == queue.Called || state == queue.Admitted) && !c.ctx.IsHead() && here.decoy == nil {
		pass, _, _, err := s.claim(c, here.ticket, false)
		switch {
		case err == nil && errors.Is(s.tied(c, pass), problem.PassInvalid):
			return s.sendRoom(c, 200, rec, describeElsewhere(rec)) // the shop would send them back here
		case err == nil && here.inAddress && s.needsCookies(c, rec):
			view := newRoomView(rec, string(queue.Called), queue.Called)
			view.Lead, view.Ticket = "called.lead_cookies", here.token
			return s.sendRoom(c, 200, rec, view)
		case err == nil:
			return s.sendToShop(c, rec)
		case errors.Is(err, problem.TurnMissed):
			here.view.State, here.view.TakeUpBefore = queue.Missed, takeUpBeforeOf(err)
		case errors.Is(err, problem.SalePaused):
			here.view.State = queue.Paused
		case errors.Is(err, problem.Unavailable):
			return s.sendReturning(c, rec, here)
		default:
			// Not yet, after all: the page looks again in a moment.
		}
	}
	return s.showPlace(c, rec, phase, here)
}

// showPlace sends the page of a place, or one of those that it leads to: for another device, and to be told of the turn.
func (s *Server) showPlace(c *call, rec *sale.Record, phase sale.Phase, here place) error {
	view := describePlace(rec, phase, here)
	if c.ctx.QueryArgs().Has(deviceView) && view.OfferDevice {
		return s.sendForDevice(c, rec, view, here)
	}
	if c.ctx.QueryArgs().Has(notifyView) && waits(here.view.State) && s.saleOffer(rec).Any() {
		return s.sendNotify(c, rec, view, here)
	}
	return s.sendPlaceInLine(c, rec, view, here)
}

// sendPlaceInLine sends the page of somebody who waits.
func (s *Server) sendPlaceInLine(c *call, rec *sale.Record, view roomView, here place) error {
	if view.OfferTakeUp { // until it cannot be taken up any more
		view.reloadIn(secondsUntil(view.ClaimBefore, c.entry.Now()))
	}
	page := s.roomPage(c, rec, &view)
	if page.Place != nil {
		page.begin(c.whereBegun(here))
	}
	if push, email := c.toldOf(here.number().String()); push || email {
		page.Told = true
	}
	return s.sendRoomPage(c, 200, rec, &page)
}

func (s *Server) sendToShop(c *call, rec *sale.Record) error {
	to := s.destination(c, rec)
	if to == "" {
		pass, _ := s.passToHandOver(c)
		return s.sendRoom(c, 200, rec, describeInside(rec, pass))
	}
	location, err := s.handOver(c, rec, to)
	if err != nil {
		return s.sendReturning(c, rec, place{})
	}
	return c.seeOther(location)
}

// sendUnknownSale tells people in words and programs in a problem document.
func (s *Server) sendUnknownSale(c *call) error {
	_, err := s.find(string(c.sale), problem.UnknownSale)
	if !c.wantsPage() {
		return err
	}
	if !errors.Is(err, problem.UnknownSale) {
		return s.sendReturning(c, nil, place{})
	}
	s.refused(c, problem.UnknownSale)
	return s.sendRoom(c, 404, nil, describeUnknown(string(c.sale)))
}

// sendReturning holds a person while a sale cannot be served: this node does not know it yet, or
// its state is being restored. The page goes on by itself. The record is nil while it is not known.
func (s *Server) sendReturning(c *call, rec *sale.Record, here place) error {
	s.refused(c, problem.Unavailable)
	view := describeReturning(string(c.sale), rec, here)
	c.ctx.Response.Header.SetCanonical(headerRetryAfter, strconv.AppendInt(c.key[:0], view.RefreshSeconds, 10))
	return s.sendRoom(c, 503, rec, view)
}

// secondsUntil rounds up and never falls below one.
func secondsUntil(at, now time.Time) int64 {
	return max(1, ceilSeconds(at.Sub(now).Milliseconds()))
}
