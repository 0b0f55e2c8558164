package front

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
)

const (
	// defaultOrders and maxOrders bound a page of orders. A document of a shop may have tens of kilobytes.
	defaultOrders = 100
	maxOrders     = 200
	// maxOrdersWait bounds how long a call may wait for the next order. Proxies often cut after 30 s.
	maxOrdersWait = 25 * time.Second
	// ordersLookEvery is the pause between two looks at the ledger while a call waits.
	ordersLookEvery = time.Second
)

// ordersQuery is the query of GET /v1/sales/{sale}/orders.
type ordersQuery struct {
	after string
	limit int
	wait  time.Duration
}

func parseOrdersQuery(args *fasthttp.Args) (q ordersQuery, err error) {
	q.after = string(args.Peek("after"))
	if q.limit, err = numberIn(args, "limit", defaultOrders, 1, maxOrders); err != nil {
		return ordersQuery{}, err
	}
	seconds, err := numberIn(args, "wait_seconds", 0, 0, int(maxOrdersWait/time.Second))
	q.wait = time.Duration(seconds) * time.Second
	return q, err
}

// numberIn reads a whole number of the query that lies between low and high.
func numberIn(args *fasthttp.Args, name string, absent, low, high int) (int, error) {
	if !args.Has(name) {
		return absent, nil
	}
	n, err := strconv.Atoi(string(args.Peek(name)))
	if err != nil || n < low || n > high {
		return 0, badField(name, "want a whole number from "+strconv.Itoa(low)+" to "+strconv.Itoa(high))
	}
	return n, nil
}

// getOrders tells a shop's backend the orders of a sale that are in the ledger, each once. They hold
// personal data, so that only the role shop may ask.
func (s *Server) getOrders(c *call) error {
	identity, err := s.mustShop(c)
	if err != nil {
		return err
	}
	if s.NewOrders == nil {
		return problem.With(problem.Unavailable, "this node has no ledger to read from")
	}
	if c.entry.Record().Shadow {
		return problem.With(problem.SaleInShadow, "its orders are those that the shop has taken itself: there is nothing to fulfil")
	}
	query, err := parseOrdersQuery(c.ctx.QueryArgs())
	if err != nil {
		return err
	}
	leave, err := s.orderReaders.enter(identity.KeyID)
	if err != nil {
		return err
	}
	defer leave()
	page, err := s.awaitOrders(string(c.sale), query)
	if err != nil {
		return err
	}
	body, err := json.Marshal(page)
	if err != nil {
		return err
	}
	c.buf = append(c.buf, body...)
	c.sendJSON(200)
	return nil
}

// orderPage is the answer. Next is the cursor from which to go on, also after an empty page.
type orderPage struct {
	Orders []checkout.View `json:"orders"`
	Next   string          `json:"next"`
	More   bool            `json:"more"` // there may be more now: ask again at once
}

// awaitOrders looks until there are orders, the time is over, or this node stops.
func (s *Server) awaitOrders(saleID string, query ordersQuery) (orderPage, error) {
	end := time.Now().Add(query.wait)
	for {
		page, err := s.readOrders(saleID, query)
		if err != nil || len(page.Orders) > 0 || !s.pause(min(ordersLookEvery, time.Until(end))) {
			return page, err
		}
	}
}

func (s *Server) readOrders(saleID string, query ordersQuery) (orderPage, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stageTimeout)
	defer cancel()
	orders, next, err := s.NewOrders(ctx, saleID, query.after, query.limit)
	if err != nil {
		return orderPage{}, err
	}
	page := orderPage{Orders: make([]checkout.View, len(orders)), Next: next, More: len(orders) == query.limit}
	for i, o := range orders {
		page.Orders[i] = checkout.ViewOf(o)
	}
	return page, nil
}

// pause waits, and returns false when there is nothing left to wait for: the time was over already,
// or this node stops. Whoever waits is not being worked on, and counts for no load.
func (s *Server) pause(left time.Duration) bool {
	if left <= 0 {
		return false
	}
	s.inFlight.Add(-1)
	defer s.inFlight.Add(1)
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.stopping.Done():
		return false
	}
}
