package front

import (
	"fmt"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// roomView is what the waiting-room page shows.
type roomView struct {
	AssetsVersion          string
	Path                   string // of this page, with the query that it came with
	Sale, Name, State      string
	Headline, Lead         string
	MomentLabel            string
	Moment, MomentText     string // a point in time for machines, and in UTC for people
	ShowPlace, OfferJoin   bool
	Ahead, Place, ETA      string
	Message, Note, ShopURL string
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
	// unknownETASeconds is the estimate of a line that hardly moves.
	unknownETASeconds = 24 * 60 * 60
)

const placeIsKept = "You can close this page and come back in this browser; your place is kept."

func newRoomView(rec *sale.Record, state queue.State) roomView {
	return roomView{Sale: rec.ID, Name: rec.Name, State: string(state), Message: rec.Message}
}

// describePlace words a place in the line.
func describePlace(rec *sale.Record, phase sale.Phase, here place) roomView {
	v := newRoomView(rec, here.view.State)
	v.PollMillis = max(here.view.PollAfterMillis, 1000)
	v.RefreshSeconds = min(max(ceilSeconds(v.PollMillis), minRefreshSeconds), maxRefreshSeconds)
	v.Note = placeIsKept
	switch here.view.State {
	case queue.Early:
		v.describeEarly(rec)
	case queue.Waiting:
		v.Headline, v.Lead = "You are in line", "When it is your turn this page takes you to the shop by itself."
		v.showPlace(here.view)
	case queue.HeldOut:
		v.Headline = "All units are reserved just now"
		v.Lead = "Some may come back when a reservation is not completed. You keep your place, and this page goes on by itself."
		v.showPlace(here.view)
	case queue.Paused:
		v.Headline, v.Lead = "The sale is paused", "Nobody is being admitted at the moment. You keep your place."
		v.showPlace(here.view)
	case queue.Called, queue.Admitted:
		v.Headline, v.Lead = "It is your turn", "The shop is being opened for you. This takes a moment."
		v.RefreshSeconds = minRefreshSeconds
		v.PollMillis, v.ReloadMillis = 0, spread(minRefreshSeconds*1000) // the page claims, the poll does not
		v.showClaim(here.view)
	case queue.Missed:
		v.describeMissed(phase)
	case queue.SoldOut:
		v.close("Sold out", "Every unit has found a buyer. Thank you for waiting.")
	case queue.Ended:
		v.close("The sale has ended", "Thank you for your interest.")
	}
	return v
}

func (v *roomView) describeEarly(rec *sale.Record) {
	v.Headline = "You are early"
	v.Lead = "Places are given in the order of arrival. You have one."
	if rec.Admission.Order == sale.Draw {
		v.Lead = "When the sale starts, places are drawn among everyone who is here by then. Coming earlier makes no difference."
	}
	v.showMoment("Starts", rec.StartsAt)
}

func (v *roomView) describeMissed(phase sale.Phase) {
	v.Headline, v.Lead = "Your turn has passed", "It was not taken up in time, so the next in line was called. You can join again at the end of the line."
	v.OfferJoin = phase == sale.PhaseLive || phase == sale.PhasePrequeue
	v.Note, v.PollMillis, v.RefreshSeconds = "", 0, 0
}

// close words a state in which nothing more is to come.
func (v *roomView) close(headline, lead string) {
	v.Headline, v.Lead, v.Note = headline, lead, ""
	v.PollMillis, v.RefreshSeconds = 0, 0
}

// describeOutside words the sale for someone without a place.
func describeOutside(rec *sale.Record, phase sale.Phase, now time.Time) roomView {
	v := newRoomView(rec, queue.State(phase))
	switch {
	case phase == sale.PhaseScheduled:
		v.Headline, v.Lead = "Not open yet", "The waiting room opens before the sale starts. This page goes on by itself."
		v.showMoment("Opens", rec.OpensAt)
		v.reloadIn(secondsUntil(rec.OpensAt, now))
	case phase == sale.PhaseEnded:
		v.close("The sale has ended", "Thank you for your interest.")
	case phase == sale.PhaseSoldOut:
		v.Headline, v.Lead = "Sold out", "Every unit has found a buyer."
		v.reloadIn(maxRefreshSeconds)
	case !rec.Admission.Mode.TakesNewcomers():
		v.Headline, v.Lead = "Nobody is being let in", "The waiting room is closed at the moment."
		v.reloadIn(maxRefreshSeconds)
	default: // somebody looked without joining
		v.Headline, v.Lead = "Waiting room", "Opening this page gives you a place in line."
		v.reloadIn(minRefreshSeconds)
	}
	return v
}

func describeBusy(rec *sale.Record) roomView {
	v := newRoomView(rec, "busy")
	v.Headline = "Very many people are here"
	v.Lead = "We could not give you a place just now. This page tries again by itself."
	v.RefreshSeconds, v.ReloadMillis = busyRetrySeconds, busyRetrySeconds*1000
	return v
}

// describeReturning words a sale that cannot be served at the moment. The record is nil while this
// node does not know the sale; here is empty for someone without a place.
func describeReturning(saleID string, rec *sale.Record, here place) roomView {
	v := roomView{Sale: saleID, Name: "Waiting room", State: "returning", Headline: "The sale is coming back"}
	v.Lead = "If you have a place in line, it is kept. This page goes on by itself."
	if rec != nil {
		v.Name, v.Message = rec.Name, rec.Message
	}
	if here.token != "" {
		v.Lead = "Your place in line is kept. This page goes on by itself."
		v.showPlace(here.view)
	}
	v.RefreshSeconds = minRefreshSeconds
	v.ReloadMillis = spread(minRefreshSeconds * 1000)
	return v
}

// describeUnknown words a sale that does not exist. The page looks again all the same: the sale may
// be created while it is open.
func describeUnknown(saleID string) roomView {
	v := roomView{Sale: saleID, State: "unknown", Name: "Waiting room", Headline: "There is no such sale"}
	v.Lead = "The address may be mistyped, or the sale is over and has been taken down."
	v.reloadIn(maxRefreshSeconds)
	return v
}

// describeNoCookies is for someone whose browser did not keep a cookie. The page does not go on by itself:
// nothing would be different the next time.
func describeNoCookies(rec *sale.Record) roomView {
	v := newRoomView(rec, "no_cookies")
	v.Headline = "Your browser blocks cookies"
	v.Lead = "Your place in line is kept in a cookie of this site. Allow cookies for this site, then load this page again."
	v.Note = "You have no place in line yet."
	return v
}

// describeElsewhere is for someone whose pass is tied to another browser or network.
func describeElsewhere(rec *sale.Record) roomView {
	v := newRoomView(rec, queue.Admitted)
	v.Headline = "Your turn is in use elsewhere"
	v.Lead = "You entered the shop with another browser or from another network. Go on there."
	return v
}

// describeInside is for a sale that names no shop to go on to.
func describeInside(rec *sale.Record) roomView {
	v := newRoomView(rec, queue.Admitted)
	v.Headline, v.Lead = "You are in", "Go back to the shop and continue there."
	return v
}

// reloadIn has the page reload at a moment that many wait for, the script's a little spread.
func (v *roomView) reloadIn(seconds int64) {
	v.RefreshSeconds = min(max(seconds, minRefreshSeconds), maxRefreshSeconds)
	v.ReloadMillis = spread(min(seconds, maxRefreshSeconds) * 1000)
}

// spread adds up to spreadMillis.
func spread(millis int64) int64 { return millis + time.Now().UnixNano()%spreadMillis }

func (v *roomView) showMoment(label string, at time.Time) {
	v.MomentLabel, v.Moment = label, at.UTC().Format(time.RFC3339)
	v.MomentText = at.UTC().Format("Mon 2 Jan 2006, 15:04:05 MST")
}

func (v *roomView) showClaim(view queue.View) {
	if !view.ClaimBefore.IsZero() {
		v.showMoment("Enter before", view.ClaimBefore)
	}
}

func (v *roomView) showPlace(view queue.View) {
	if !view.PlaceKnown {
		return
	}
	v.ShowPlace = true
	v.Ahead, v.Place, v.ETA = group(view.Ahead), group(view.Place), describeETA(view)
}

// describeETA words the estimate as the range that it is. static/room.js says the same.
func describeETA(view queue.View) string {
	if view.ETAP90Seconds <= 0 || view.ETAP50Seconds >= unknownETASeconds {
		return "not known yet"
	}
	if view.ETAP90Seconds < 60 {
		return "under a minute"
	}
	low, high := wholeMinutes(view.ETAP50Seconds), wholeMinutes(view.ETAP90Seconds)
	if low == high {
		return "about " + span(low)
	}
	return span(low) + " to " + span(high)
}

func wholeMinutes(seconds int64) int64 { return max(1, (seconds+30)/60) }

func span(minutes int64) string {
	if minutes < 60 {
		return strconv.FormatInt(minutes, 10) + " min"
	}
	return fmt.Sprintf("%d h %02d min", minutes/60, minutes%60)
}

// group writes a number with commas between groups of three digits.
func group(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
