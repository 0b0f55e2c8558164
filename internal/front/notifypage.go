package front

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/notify"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/words"
	"github.com/penstock/penstock/queue"
)

const (
	// notifyView asks for the page on which visitors ask to be told of their turn. Its value says what became of the
	// form that was sent before.
	notifyView = "penstock_notify"
	// toldCookie keeps what a place's holder asked for in this browser: "<number>.<ways>". So the page can say so, and
	// the ledger is not asked for each view.
	toldCookie = "penstock_told_"
	toldPush   = "p"
	toldEmail  = "e"
)

// What the form came to. A value of an address is one of these or says nothing.
const (
	notifyOff    = "off"
	notifyBad    = "bad"
	notifyFull   = "full"
	notifyFailed = "failed"
)

// notifyPage is what the page offers on which visitors ask to be told.
type notifyPage struct {
	notify.Offer
	PushOn, EmailOn bool
	BadEmail        bool
	Outcome         string // in the visitor's words; empty is none
	Path, Form      string
	PushWords       string // of the texts that the script writes, as JSON
	Script, Worker  string
}

// On reports whether anything was asked for.
func (p *notifyPage) On() bool { return p.PushOn || p.EmailOn }

// saleOffer tells how a sale tells visitors of their turn, if it does.
func (s *Server) saleOffer(rec *sale.Record) notify.Offer {
	if s.Notify == nil || rec == nil {
		return notify.Offer{}
	}
	return s.Notify.Offer(&rec.Sale)
}

// toldOf tells what the holder of a place asked for in this browser.
func (c *call) toldOf(number string) (push, email bool) {
	presented := tokens{cookies: c.ctx.Request.Header.PeekCanonical(cookieHeader), prefix: toldCookie, sale: c.sale}
	presented.all(func(one token) bool {
		of, ways, _ := strings.Cut(string(one.text), ".")
		if of == number {
			push, email = strings.Contains(ways, toldPush), strings.Contains(ways, toldEmail)
		}
		return of != number
	})
	return push, email
}

// keepTold notes that the holder of a place has asked to be told in one more way.
func (c *call) keepTold(number string, push, email bool) {
	pushBefore, emailBefore := c.toldOf(number)
	ways := ""
	if push || pushBefore {
		ways += toldPush
	}
	if email || emailBefore {
		ways += toldEmail
	}
	c.setCookie(toldCookie, number+"."+ways, int64(ticketCookieAge/time.Second))
}

func (c *call) dropTold() { c.setCookie(toldCookie, "", 0) }

// sendNotify shows how the holder of a place can ask to be told of their turn, and what they have asked for.
func (s *Server) sendNotify(c *call, rec *sale.Record, view roomView, here place) error {
	view.Says, view.Lead, view.Note, view.Place, view.Items, view.ShowStock, view.MomentLabel, view.Moment = "notify", "", "", nil, nil, false, "", time.Time{}
	view.RefreshSeconds = 0 // nobody loses what they are typing
	page := s.roomPage(c, rec, &view)
	page.Notify = s.notifyPage(c, &page, here)
	return s.sendRoomPage(c, 200, rec, &page)
}

func (s *Server) notifyPage(c *call, page *roomPage, here place) *notifyPage {
	number := here.number().String()
	p := &notifyPage{
		Offer: page.Offer, Path: c.roomPathWith(notifyView), Form: s.RoomLinks.SignForm(page.Sale, here.actor()), PushWords: pushWords(page.Words),
		Script: s.staticPath("notify.js"), Worker: s.staticPath("notify-worker.js"),
	}
	p.PushOn, p.EmailOn = c.toldOf(number)
	switch outcome := string(c.ctx.QueryArgs().Peek(notifyView)); outcome {
	case notifyBad:
		p.BadEmail = true
	case notifyOff, notifyFull, notifyFailed:
		p.Outcome = page.Words.Text("notify." + outcome)
	}
	return p
}

// pushWords are the texts that static/notify.js writes, as JSON.
func pushWords(l *words.Language) string {
	texts := make(map[string]string)
	for _, key := range []string{"notify.push_asking", "notify.push_on", "notify.push_blocked", "notify.push_none", "notify.full", "notify.failed"} {
		texts[key] = l.Text(key)
	}
	data, err := json.Marshal(texts)
	if err != nil {
		return "{}" // texts are text
	}
	return string(data)
}

// notifyFromPage takes the form of that page: an e-mail address, or "off". It is sent by whoever has the page of the
// place, which no other site has.
func (s *Server) notifyFromPage(c *call, rec *sale.Record) error {
	here, ok := s.placeOf(c)
	form := c.ctx.PostArgs()
	if !ok || !s.RoomLinks.IsForm(rec.ID, here.actor(), string(form.Peek("form"))) {
		return c.seeOther(c.roomPathWith(notifyView))
	}
	number := here.number().String()
	if form.Has("off") {
		if err := s.forgetWishes(here); err != nil {
			return s.notifyFailed(c, err)
		}
		c.dropTold()
		return c.seeOther(c.roomPathWith(notifyView, notifyOff))
	}
	email := strings.TrimSpace(string(form.Peek("email")))
	spoken := s.language(c, rec.Page.Languages, "")
	if err := s.subscribe(c, here, notify.Request{Email: email, Language: spoken.Tag}); err != nil {
		return s.notifyFailed(c, err)
	}
	c.keepTold(number, false, true)
	return c.seeOther(c.roomPathWith(notifyView))
}

// notifyFailed brings the visitor back to the form, or, when they wait no more, to their place.
func (s *Server) notifyFailed(c *call, err error) error {
	doc, known := problemOf(err)
	if !known {
		return err
	}
	s.refused(c, doc.Code)
	switch doc.Code {
	case problem.NotWaiting, problem.NotificationsOff:
		return c.seeOther(c.roomPathWith(""))
	case problem.BadRequest:
		return c.seeOther(c.roomPathWith(notifyView, notifyBad))
	case problem.NotificationsFull:
		return c.seeOther(c.roomPathWith(notifyView, notifyFull))
	default:
		return c.seeOther(c.roomPathWith(notifyView, notifyFailed))
	}
}

// waits reports whether a visitor in this state can ask to be told.
func waits(state queue.State) bool {
	switch state {
	case queue.Early, queue.Waiting, queue.HeldOut, queue.Paused:
		return true
	default:
		return false
	}
}
