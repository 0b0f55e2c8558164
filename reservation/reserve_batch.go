package reservation

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
)

// decision is what the script says to one request.
type decision struct {
	created, expires int64  // ms, of a new reservation
	known            string // the record, when there was one already
	drawn            string // the lines, when units of other channels are among them
	err              error
}

// runReserve decides a batch with as few script calls as its lines and epochs allow. The failure of
// a call concerns its own requests alone: those before it have been decided.
func (s *Stock) runReserve(ctx context.Context, asks []*ask) ([]decision, error) {
	out := make([]decision, 0, len(asks))
	for len(asks) > 0 {
		n, lines := 0, 0
		for n < len(asks) && (n == 0 || lines+asks[n].weight() <= maxScriptLines) && asks[n].plan.epoch == asks[0].plan.epoch {
			lines += asks[n].weight()
			n++
		}
		out = append(out, s.reserveOnce(ctx, asks[:n], lines)...)
		asks = asks[n:]
	}
	return out, nil
}

func (s *Stock) reserveOnce(ctx context.Context, asks []*ask, lines int) []decision {
	out := make([]decision, len(asks))
	keys, args := s.reserveArgs(asks, lines, hold)
	answer, err := reserveScript.Exec(ctx, s.deps.Redis, keys, args).ToArray()
	switch {
	case err != nil:
		err = s.failed("reserve", err)
	case len(answer) == 0:
		err = errAnswer
	default:
		err = s.readDecisions(asks, answer, out)
	}
	if err != nil {
		for i := range out {
			out[i].err = err
		}
		return out
	}
	s.enqueueNew(asks, out)
	return out
}

// The modes of reserve.lua.
const (
	hold  = ""
	probe = "probe"
)

// reserveArgs lays out the keys and arguments as reserve.lua describes them.
func (s *Stock) reserveArgs(asks []*ask, lines int, mode string) (keys, args []string) {
	keys = make([]string, 5, 5+len(asks))
	keys[0], keys[1], keys[2], keys[3], keys[4] = s.keys.stock, s.keys.customers, s.keys.due, s.keys.gate, s.keys.made
	args = make([]string, 3, 3+2*lines+5*len(asks)+2*lines+1)
	p := asks[0].plan
	args[0], args[1] = p.epoch, p.recordsLength
	places, pools := poolPlaces(asks)
	args[2] = strconv.Itoa(len(pools))
	for _, one := range pools {
		args = one.appendArgs(args, places)
	}
	for _, a := range asks {
		r := a.record(0, 0)
		keys = append(keys, p.records+a.core)
		args = append(args, a.customer, a.pass(), r.tail(), strconv.Itoa(len(a.lines)))
		for i, one := range a.pools {
			args = append(args, places[one.name], strconv.FormatInt(a.lines[i].Quantity, 10))
		}
	}
	args = append(args, mode)
	if s.asideMillis() > 0 {
		for _, a := range asks {
			args = append(args, a.issuedSeconds())
		}
	}
	return keys, args
}

// poolPlaces gives the pools that the requests may draw on their numbers, from 1, by name. Nodes that know
// different versions of the sale are not combined, but requests of before and after a change may be: the first
// version of a pool counts.
func poolPlaces(asks []*ask) (places map[string]string, pools []*pool) {
	places = make(map[string]string, 8)
	add := func(one *pool) {
		if _, seen := places[one.name]; !seen {
			pools = append(pools, one)
			places[one.name] = strconv.Itoa(len(pools))
		}
	}
	for _, a := range asks {
		for _, one := range a.pools {
			add(one)
		}
	}
	for _, one := range pools[:len(pools):len(pools)] {
		for _, from := range one.sources {
			add(from.pool)
		}
	}
	return places, pools
}

// appendArgs describes the pool as reserve.lua wants it. A source that has no number is one of a pool that is a
// source itself: nobody asks for its units.
func (p *pool) appendArgs(args []string, places map[string]string) []string {
	args = append(args, p.sku, p.channel, "0")
	at, count := len(args)-1, 0
	for _, from := range p.sources {
		if place, there := places[from.pool.name]; there {
			args = append(args, place, decimal(from.fromMillis))
			count++
		}
	}
	args[at] = strconv.Itoa(count)
	return args
}

func (s *Stock) readDecisions(asks []*ask, answer []rueidis.RedisMessage, out []decision) error {
	if whole, err := answer[0].AsInt64(); err != nil || whole != answerOK {
		return s.refused(whole)
	}
	if len(answer) != 3+len(asks) {
		return errAnswer
	}
	times, err := integers(answer[1:3])
	if err != nil {
		return err
	}
	for i := range asks {
		m := &answer[3+i]
		if m.IsString() {
			out[i].known, out[i].err = m.ToString()
			continue
		}
		if m.IsArray() {
			out[i].created, out[i].expires = times[0], times[1]
			out[i].drawn, out[i].err = drawnOf(m)
			continue
		}
		n, err := m.AsInt64()
		switch {
		case err != nil:
			out[i].err = err
		case n == 0:
			out[i].created, out[i].expires = times[0], times[1]
		default:
			out[i].err = s.refusal(asks[i], n, times[0])
		}
	}
	return nil
}

func drawnOf(m *rueidis.RedisMessage) (string, error) {
	words, err := m.AsStrSlice()
	if err == nil && len(words) != 1 {
		err = errAnswer
	}
	if err != nil {
		return "", err
	}
	return words[0], nil
}

// The kinds of refusals of reserve.lua.
const (
	kindNotOpen = 1 + iota
	kindPaused
	kindPassInvalid
	kindItemLimit
	kindSaleLimit
	kindSoldOut
	kindNotArmed  = 10
	kindPassBound = 11

	soldOutMayReturn = 1
	soldOutEmpty     = 2
)

func (s *Stock) refusal(a *ask, result, nowMillis int64) error {
	kind, line := result/1000, int(result%1000)
	if line >= len(a.lines) {
		return errAnswer
	}
	sku := a.lines[line].SKU
	switch kind {
	case kindNotOpen:
		return problem.SaleNotOpen
	case kindPaused:
		return problem.SalePaused
	case kindPassInvalid:
		return problem.PassInvalid
	case kindPassBound:
		return problem.PassBound
	case kindItemLimit:
		most := a.plan.rec.Items[a.plan.items[sku]].PerCustomer
		return problem.With(problem.LimitExceeded, fmt.Sprintf("a customer may have %d of %s", most, sku), problem.F("sku", sku))
	case kindSaleLimit:
		most := a.plan.rec.Reservation.PerCustomer
		return problem.With(problem.LimitExceeded, fmt.Sprintf("a customer may have %d units of this sale", most))
	case kindNotArmed:
		return problem.Retry(problem.Unavailable, "the item is not ready yet; try again", 1)
	}
	flags := kind - kindSoldOut
	if flags&soldOutEmpty != 0 && nowMillis >= s.snapshot.Load().NowMillis {
		a.pools[line].empty.Store(true)
	}
	return soldOutError(sku, flags&soldOutMayReturn != 0)
}

// enqueueNew sends the new reservations of a batch on their way to the journal.
func (s *Stock) enqueueNew(asks []*ask, decisions []decision) {
	if s.deps.Enqueue == nil {
		return
	}
	var cores []string
	var records []record
	for i, d := range decisions {
		if d.err != nil || d.known != "" {
			continue
		}
		if r := asks[i].made(&d); r.durability == 'j' {
			cores, records = append(cores, asks[i].core), append(records, r)
		}
	}
	if len(cores) > 0 {
		s.enqueue('j', kindHeld, cores, records)
	}
}
