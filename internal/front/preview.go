package front

import (
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

// previewName is the parameter of a signed preview. A page that is asked for with it never gives a place.
const previewName = "penstock_preview"

// sendPreview shows the people of the shop how the page looks in a state.
func (s *Server) sendPreview(c *call, rec *sale.Record, now time.Time) error {
	asked, ok := s.RoomLinks.ReadPreview(rec.ID, string(c.ctx.QueryArgs().Peek(previewName)), now)
	if !ok {
		view := newRoomView(rec, "preview_over", "preview")
		return s.sendRoom(c, 410, rec, view)
	}
	view := previewOf(rec, asked.State, now)
	view.Preview, view.Language, view.Scheme = true, asked.Language, asked.Scheme
	view.PollMillis, view.ReloadMillis, view.RefreshSeconds = 0, 0, 0
	page := s.roomPage(c, rec, &view)
	if page.Place != nil {
		page.begin(previewFrom)
	}
	if view.ShowStock {
		page.Items = stockItems(rec, previewStock(rec, asked.State))
		page.wordItems()
	}
	return s.sendRoomPage(c, 200, rec, &page)
}

// The figures of a preview.
const (
	previewFrom  = 1180
	previewAhead = 412
)

// previewStock is how the items might stand in a state.
func previewStock(rec *sale.Record, state string) []salecache.Standing {
	stands := make([]salecache.Standing, len(rec.Items))
	for i, item := range rec.Items {
		left, held := item.Stock*2/3, item.Stock/3
		switch {
		case state == string(queue.HeldOut):
			left, held = 0, item.Stock
		case i%3 == 1:
			left, held = min(item.Stock, max(1, item.Stock/25)), item.Stock/4
		}
		stands[i].Availability = sale.AvailabilityOf(left, held, item.Stock)
		if rec.Page.ShowStock == sale.StockNumbers {
			stands[i].UnitsLeft = &left
		}
	}
	return stands
}

// previewOf is the view of a state with figures that might be.
func previewOf(rec *sale.Record, state string, now time.Time) roomView {
	switch state {
	case "scheduled":
		return describeOutside(rec, sale.PhaseScheduled, now)
	case "closed":
		view := newRoomView(rec, state, queue.State(state))
		return view
	case "full":
		return describeFull(rec)
	case "blocked":
		return describeBlocked(rec)
	case "proof":
		return describeProof(rec, "")
	case "no_cookies":
		return describeNoCookies(rec)
	case "returning":
		return describeReturning(rec.ID, rec, place{token: state, view: previewPlace(queue.Waiting)})
	case "admitted":
		return describeInside(rec, queue.Pass{ExpiresAt: now.Add(rec.Admission.PassTTL.Std())})
	case "unlikely":
		view := previewPlace(queue.Waiting)
		view.Outlook = queue.Unlikely
		return describePlace(rec, sale.PhaseLive, place{view: view})
	case "late":
		view := previewPlace(queue.Missed)
		view.TakeUpBefore = now.Add(rec.Admission.ClaimWindow.Std())
		return describePlace(rec, sale.PhaseLive, place{view: view})
	default:
		view := previewPlace(queue.State(state))
		if view.State == queue.Called {
			view.ClaimBefore = now.Add(rec.Admission.ClaimWindow.Std())
		}
		return describePlace(rec, sale.PhaseLive, place{view: view})
	}
}

func previewPlace(state queue.State) queue.View {
	return queue.View{State: state, PlaceKnown: true, Place: previewAhead + 1459, Ahead: previewAhead, ETAP50Seconds: 9 * 60, ETAP90Seconds: 14 * 60}
}
