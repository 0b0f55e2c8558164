package front

import (
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// roomView is what the waiting-room page is to say, whatever the language: keys of package words, and figures.
type roomView struct {
	// Says is the state in words: the keys of the headline and the lead begin with it. A sale can replace both.
	Says string
	// Lead is the key of another lead than that of the state.
	Lead string
	Note string // a key; empty is none
	// State and Outlook are what the script compares with those of the ticket.
	State, Outlook string
	Sale, Name     string
	Message        string
	MomentLabel    string // a key
	Moment         time.Time
	ClaimBefore    time.Time
	Place          *queue.View // shown unless nil
	Ticket         string      // of a visitor whose place is in the address: the script has to send it
	Items          []itemView  // how those stand that the visitor came for
	ShowStock      bool        // how all items stand, as the sale shows it
	OfferJoin      bool        // to who missed their turn
	OfferTakeUp    bool        // to who may still take it up
	OfferLink      bool        // to who cannot keep a cookie: the place as a link
	OfferEntry     bool        // a link to the shop by way of this page
	OfferDevice    bool        // to take the place to another device
	OfferMove      bool        // to go on with the place of another device
	OfferRenewal   bool        // to prolong the pass
	Finished       bool        // the waiting list and other items are shown
	Challenge      string      // what the browser has to solve before a place is given, as JSON
	// Preview says that this is shown to the people of the shop: in a language and a scheme of theirs, and with no way
	// on.
	Preview          bool
	Language, Scheme string
	// RefreshSeconds is when the page reloads without JavaScript; 0 is never. PollMillis is when
	// the script first asks for the ticket; with 0 it reloads the page after ReloadMillis.
	RefreshSeconds, PollMillis, ReloadMillis int64
}

const (
	// minRefreshSeconds keeps a page that reloads itself readable.
	minRefreshSeconds = 3
	maxRefreshSeconds = 60
	// spreadMillis is over how long the reloads of many who wait for the same moment are spread.
	spreadMillis     = 3000
	busyRetrySeconds = 10
)

func newRoomView(rec *sale.Record, says string, state queue.State) roomView {
	return roomView{Says: says, Sale: rec.ID, Name: rec.Name, State: string(state), Message: rec.Message}
}

// describePlace words a place in the line.
func describePlace(rec *sale.Record, phase sale.Phase, here place) roomView {
	v := newRoomView(rec, string(here.view.State), here.view.State)
	v.PollMillis = max(here.view.PollAfterMillis, 1000)
	v.RefreshSeconds = min(max(ceilSeconds(v.PollMillis), minRefreshSeconds), maxRefreshSeconds)
	v.Note, v.Outlook = "note.kept", string(here.view.Outlook)
	v.Items = namedItems(rec, &here.view)
	v.ShowStock = len(v.Items) == 0 && rec.Page.ShowStock != sale.StockHidden
	v.OfferDevice = true
	if here.inAddress {
		v.Ticket, v.Note = here.token, "note.link"
	}
	switch here.view.State {
	case queue.Early:
		v.describeEarly(rec)
	case queue.Waiting, queue.HeldOut, queue.Paused:
		if here.view.State == queue.Waiting && here.view.Outlook == queue.Unlikely {
			v.Says = "unlikely"
		}
		v.showPlace(here.view)
	case queue.Called, queue.Admitted:
		v.Says = string(queue.Called)
		v.RefreshSeconds = minRefreshSeconds
		v.PollMillis, v.ReloadMillis = 0, spread(minRefreshSeconds*1000) // the page claims, the poll does not
		v.ClaimBefore, v.OfferEntry, v.OfferDevice, v.ShowStock = here.view.ClaimBefore, true, false, false
	case queue.Missed:
		v.describeMissed(phase, here.view.TakeUpBefore)
	case queue.SoldOut, queue.Ended:
		v.close()
	}
	return v
}

// itemView is how an item stands: an availability, or the outlook of a visitor.
type itemView struct {
	SKU, Name, Stands string
	UnitsLeft         uint64 // told unless 0
	Text              string
}

func namedItems(rec *sale.Record, view *queue.View) (items []itemView) {
	for _, one := range view.Items[:view.Named] {
		if at := rec.ItemIndex(one.SKU); at >= 0 {
			items = append(items, itemView{SKU: one.SKU, Name: rec.Items[at].Name, Stands: string(one.Outlook)})
		}
	}
	return items
}

func (v *roomView) describeEarly(rec *sale.Record) {
	if rec.Admission.Order == sale.Draw {
		v.Lead = "early.lead_draw"
	}
	v.showMoment("starts", rec.StartsAt)
}

// describeMissed words a turn that was missed, and one that may still be taken up until a moment, if it has one.
func (v *roomView) describeMissed(phase sale.Phase, takeUpBefore time.Time) {
	v.OfferJoin = phase == sale.PhaseLive || phase == sale.PhasePrequeue
	v.Note, v.OfferDevice, v.ShowStock, v.PollMillis, v.RefreshSeconds = "", false, false, 0, 0
	if phase == sale.PhaseLive && !takeUpBefore.IsZero() {
		v.Says, v.OfferTakeUp, v.ClaimBefore = "late", true, takeUpBefore
	}
}

// close is for a state in which nothing more is to come.
func (v *roomView) close() {
	v.Note, v.OfferDevice, v.ShowStock, v.Finished = "", false, false, true
	v.PollMillis, v.RefreshSeconds = 0, 0
}

// describeOutside words the sale for someone without a place.
func describeOutside(rec *sale.Record, phase sale.Phase, now time.Time) roomView {
	v := newRoomView(rec, "ready", queue.State(phase)) // somebody looked without joining
	switch {
	case phase == sale.PhaseScheduled:
		v.Says = "scheduled"
		v.showMoment("opens", rec.OpensAt)
		v.reloadIn(secondsUntil(rec.OpensAt, now))
	case phase == sale.PhaseEnded:
		v.Says = "ended"
		v.close()
	case phase == sale.PhaseSoldOut:
		v.Says, v.Finished = "sold_out", true
		v.reloadIn(maxRefreshSeconds)
	case !rec.Admission.Mode.TakesNewcomers():
		v.Says = "closed"
		v.reloadIn(maxRefreshSeconds)
	default:
		v.reloadIn(minRefreshSeconds)
	}
	return v
}

// describeFull is for a newcomer who cannot be given a place at the moment.
func describeFull(rec *sale.Record) roomView {
	v := newRoomView(rec, "full", "full")
	v.RefreshSeconds, v.ReloadMillis = busyRetrySeconds, busyRetrySeconds*1000
	return v
}

// describeBlocked is for a newcomer who is refused a place.
func describeBlocked(rec *sale.Record) roomView {
	v := newRoomView(rec, "blocked", "blocked")
	v.Note = "note.none"
	return v
}

// describeReturning words a sale that cannot be served at the moment. The record is nil while this
// node does not know the sale; here is empty for someone without a place.
func describeReturning(saleID string, rec *sale.Record, here place) roomView {
	v := roomView{Says: "returning", Sale: saleID, State: "returning"}
	if rec != nil {
		v.Name, v.Message = rec.Name, rec.Message
	}
	if here.token != "" {
		v.Lead = "returning.lead_kept"
		v.showPlace(here.view)
	}
	v.RefreshSeconds = minRefreshSeconds
	v.ReloadMillis = spread(minRefreshSeconds * 1000)
	return v
}

// describeUnknown words a sale that does not exist. The page looks again all the same: the sale may
// be created while it is open.
func describeUnknown(saleID string) roomView {
	v := roomView{Says: "unknown", Sale: saleID, State: "unknown"}
	v.reloadIn(maxRefreshSeconds)
	return v
}

// describeNoCookies is for someone whose browser did not keep a cookie. The page does not go on by itself:
// nothing would be different the next time.
func describeNoCookies(rec *sale.Record) roomView {
	v := newRoomView(rec, "no_cookies", "no_cookies")
	v.Note, v.OfferLink = "note.none", true
	return v
}

// describeProof is for a newcomer whose browser has to work for a place.
func describeProof(rec *sale.Record, challenge string) roomView {
	v := newRoomView(rec, "proof", "proof")
	v.Challenge = challenge
	return v
}

// describeElsewhere is for someone whose pass is tied to another browser or network.
func describeElsewhere(rec *sale.Record) roomView {
	return newRoomView(rec, "elsewhere", queue.Admitted)
}

// reloadIn has the page reload at a moment that many wait for, the script's a little spread.
func (v *roomView) reloadIn(seconds int64) {
	v.RefreshSeconds = min(max(seconds, minRefreshSeconds), maxRefreshSeconds)
	v.ReloadMillis = spread(min(seconds, maxRefreshSeconds) * 1000)
}

// spread adds up to spreadMillis.
func spread(millis int64) int64 { return millis + time.Now().UnixNano()%spreadMillis }

func (v *roomView) showMoment(label string, at time.Time) { v.MomentLabel, v.Moment = label, at }

func (v *roomView) showPlace(view queue.View) {
	if view.PlaceKnown {
		v.Place = &view
	}
}
