package front

import (
	"cmp"
	"fmt"
	"strconv"
	"sync"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// maxBulk is how many reservations or orders one call may ask for.
const maxBulk = 100

// bulkReservation is one of many reservations, with what a call of its own has in headers.
type bulkReservation struct {
	reservationBody
	bulkKey
	pass string
}

// bulkOrder is one of many orders.
type bulkOrder struct {
	orderBody
	bulkKey
}

// bulkKey is the idempotency key of one element.
type bulkKey struct{ key string }

func (k bulkKey) idempotencyKey() string { return k.key }

// bulkResult is the answer to one of many: the status and the body that a call of its own would have had.
type bulkResult struct {
	status int
	body   []byte
	err    error
}

// postReservationsBulk holds units for many customers of a shop's backend. Each reservation is decided and
// answered on its own; the stock combines them into few script calls.
func (s *Server) postReservationsBulk(c *call) error {
	return answerBulk(s, c, s.mustShop, "reservation", parseBulkReservations, func(shop *auth.Identity, one *bulkReservation) bulkResult {
		return s.reserveOne(c, shop, one)
	})
}

// answerBulk reads the elements of a call, does them at the same time, and answers for each in its place.
func answerBulk[T interface{ idempotencyKey() string }](s *Server, c *call, who func(*call) (*auth.Identity, error), what string,
	parse func([]byte) ([]T, error), do func(*auth.Identity, *T) bulkResult,
) error {
	shop, err := who(c)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	asked, err := parse(body)
	if err != nil {
		return cmp.Or(carddata.RefuseDocument("", body), err)
	}
	results := inParallel(len(asked), func(i int) bulkResult { return do(shop, &asked[i]) })
	c.buf = append(c.buf, `{"results":[`...)
	for i := range results {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.buf = append(c.buf, `{"idempotency_key":`...)
		c.buf = appendString(c.buf, carddata.Mask(asked[i].idempotencyKey()))
		c.buf = s.appendResult(c.buf, &results[i], what)
	}
	c.buf = append(c.buf, "]}"...)
	c.sendJSON(200)
	return nil
}

// reserveOne runs beside others of the same call, and only reads what they share.
func (s *Server) reserveOne(c *call, shop *auth.Identity, one *bulkReservation) bulkResult {
	key, err := idempotencyKey([]byte(one.key))
	if err != nil {
		return bulkResult{err: err}
	}
	rec := c.entry.Record()
	if err := soldHere(&rec); err != nil {
		return bulkResult{err: err}
	}
	if err := one.check(rec.Reservation); err != nil {
		return bulkResult{err: err}
	}
	who := buyer{shop: shop, scope: keyScope(shop)}
	if c.entry.Mode() != sale.Open && (!needsNoPass(&rec.Sale, one.Channel) || !who.hasChannel(one.Channel)) {
		if one.pass == "" {
			return bulkResult{err: problem.With(problem.PassRequired, "send the visitor's pass as pass, or name a channel of the API key that needs none")}
		}
		pass, err := s.passOf(c.entry, token{text: []byte(one.pass), inHeader: true})
		if err != nil {
			return bulkResult{err: err}
		}
		who.ticket, who.passUntil, who.passIssued = pass.ID, lastEnd(c, pass), pass.IssuedAt
	}
	held, _, err := s.reserve(c.entry, &who, key, &one.reservationBody)
	if err != nil {
		return bulkResult{err: err}
	}
	return bulkResult{status: 201, body: appendReservation(nil, &held)}
}

// postOrdersBulk turns many reservations into orders. Each is durable before the answer that accepts it, or has
// the problem that a call of its own would have had.
func (s *Server) postOrdersBulk(c *call) error {
	return answerBulk(s, c, s.mustShopOfAnySale, "order", parseBulkOrders, s.orderOne)
}

// orderOne runs beside others of the same call.
func (s *Server) orderOne(shop *auth.Identity, one *bulkOrder) bulkResult {
	key, err := idempotencyKey([]byte(one.key))
	if err != nil {
		return bulkResult{err: err}
	}
	if err := one.check(); err != nil {
		return bulkResult{err: err}
	}
	entry, err := s.saleToOrderFrom(one.Reservation)
	if err == nil {
		err = mayActOn(shop, entry.ID())
	}
	if err != nil {
		return bulkResult{err: err}
	}
	accepted, err := s.accept(entry, &claimant{shop: shop}, key, &one.orderBody)
	if err != nil {
		return bulkResult{err: err}
	}
	return bulkResult{status: acceptedStatus(&accepted), body: appendAccepted(nil, &accepted)}
}

// inParallel does n things at the same time. A panic of one of them is that of the caller, who survives it.
func inParallel(n int, do func(i int) bulkResult) []bulkResult {
	results := make([]bulkResult, n)
	faults := make(chan any, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			defer func() {
				if fault := recover(); fault != nil {
					faults <- fault
				}
			}()
			results[i] = do(i)
		})
	}
	all.Wait()
	select {
	case fault := <-faults:
		panic(fault)
	default:
		return results
	}
}

func (s *Server) appendResult(b []byte, r *bulkResult, what string) []byte {
	if r.err == nil {
		b = strconv.AppendInt(append(b, `,"status":`...), int64(r.status), 10)
		b = append(append(append(b, `,"`...), what...), `":`...)
		return append(append(b, r.body...), '}')
	}
	doc, _ := problemOf(r.err)
	s.metrics.refused(doc.Code)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(doc.Status), 10)
	if doc.RetryAfterSeconds > 0 {
		b = strconv.AppendInt(append(b, `,"retry_after_seconds":`...), int64(doc.RetryAfterSeconds), 10)
	}
	b = append(b, `,"problem":`...)
	return append(appendProblem(b, &doc, nil), '}')
}

// parseBulk reads {"<list>": [{…}, …]} strictly; member reads a member of the last element that add has begun.
// What cannot be read refuses the whole call; what reads well and is wrong is for the element alone.
func parseBulk(body []byte, list string, add func(), member func(r *reader, name string) error) error {
	r := &reader{data: body}
	count := 0
	err := r.document(func(name string) error {
		if name != list {
			return r.unknown(name)
		}
		return r.array(list, maxBulk, func() error {
			add()
			count++
			return r.object(func(name string) error { return member(r, name) })
		})
	})
	if err == nil && count == 0 {
		err = badField(list, fmt.Sprintf("needs 1 to %d elements", maxBulk))
	}
	return err
}

func parseBulkReservations(body []byte) (asked []bulkReservation, err error) {
	err = parseBulk(body, "reservations", func() { asked = append(asked, bulkReservation{}) }, func(r *reader, name string) error {
		one := &asked[len(asked)-1]
		switch name {
		case "idempotency_key":
			return r.stringInto(&one.key)
		case "pass":
			return r.stringInto(&one.pass)
		default:
			return one.member(r, name)
		}
	})
	return asked, err
}

func parseBulkOrders(body []byte) (asked []bulkOrder, err error) {
	err = parseBulk(body, "orders", func() { asked = append(asked, bulkOrder{}) }, func(r *reader, name string) error {
		one := &asked[len(asked)-1]
		if name == "idempotency_key" {
			return r.stringInto(&one.key)
		}
		return one.member(r, name)
	})
	return asked, err
}
