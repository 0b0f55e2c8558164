package front

import (
	"sync"

	"github.com/penstock/penstock/internal/catalog"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/reservation"
)

// soldOutMemory answers "sold out" without asking Redis.
//
// A retry of a request that got units must still get them, when everything is gone in the meantime.
// reservation.Stock looks that up in Redis. Here it is known from memory, which is enough where this
// node made every grant there is: it is the sole node, and it saw the sale before the first grant.
type soldOutMemory struct {
	docs    [2]problem.Problem // by whether units may come back
	watched sync.Map           // *catalog.Entry → whether every grant of the sale was made here
}

func newSoldOutMemory() *soldOutMemory {
	m := &soldOutMemory{}
	for i, detail := range []string{"nothing is left", "all units are held; some may come back"} {
		m.docs[i], _ = problem.Of(problem.With(problem.SoldOut, detail, problem.F("may_return", i == 1)))
	}
	return m
}

// knowsAll reports whether every grant of the sale was made by this process. It is decided at the
// first request for units.
func (m *soldOutMemory) knowsAll(e *catalog.Entry) bool {
	if known, there := m.watched.Load(e); there {
		return known.(bool)
	}
	stock := e.Stock().Snapshot()
	if !stock.Ready {
		return false
	}
	known, _ := m.watched.LoadOrStore(e, stock.Reservations == 0 && stock.Orders == 0)
	return known.(bool)
}

// answerSoldOut refuses a request for units when the shelf is known to be empty and the request is
// known to be no repetition. The refusal has its headers and numbers ready.
func (s *Server) answerSoldOut(c *call, grant uint64, parsed *reservationBody) bool {
	stock := c.entry.Stock()
	if !s.SoleNode || !s.soldOut.knowsAll(c.entry) || !stock.SoldOut(parsed.Lines, parsed.Channel) || s.keys.mayBeGranted(grant) {
		return false
	}
	doc := &s.soldOut.docs[0]
	if mayReturn(stock.Snapshot(), parsed) {
		doc = &s.soldOut.docs[1]
	}
	c.sendProblem(doc)
	s.metrics.refused(problem.SoldOut)
	return true
}

// mayReturn reports whether units of what is asked for are held.
func mayReturn(stock *reservation.Snapshot, parsed *reservationBody) bool {
	for i := range stock.Items {
		if stock.Items[i].Available > 0 || stock.Items[i].Held == 0 {
			continue
		}
		for j := range parsed.Lines {
			if parsed.Lines[j].SKU == stock.Items[i].SKU {
				return true
			}
		}
	}
	return false
}
