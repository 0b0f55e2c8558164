package reservation

import (
	"context"
	"iter"
	"strconv"
)

// Settlement is the ledger's word that an order is committed.
type Settlement struct {
	ReservationID     string
	CustomerKey       string // as CustomerKey made it
	Channel           string
	Lines             []Line
	Drawn             Drawn
	OrderedAtMillis   int64
	CommittedAtMillis int64
}

// Settled tells what a settlement had to put right.
type Settled struct {
	// Repaired orders were still held in Redis.
	Repaired int64
	// ForcedUnits were taken for orders whose reservation was missing, expired or released, or that had
	// failed; where none were available, they are owed.
	ForcedUnits int64
}

const settleMost = 256

// Settle marks orders as committed after the ledger's commit, and takes them off the outbox. It is
// idempotent by reservation for 24 hours. Codes: unknown_reservation, unavailable.
//
// An order whose reservation Redis does not know takes its units anew. So after a loss of Redis all
// orders, those that are still in the order log too, are named with Arming.Orders.
func (s *Stock) Settle(ctx context.Context, settlements []Settlement) (Settled, error) {
	var sum Settled
	for part := range settleParts(settlements) {
		one, err := s.settleOnce(ctx, part)
		if err != nil {
			return sum, err
		}
		sum.Repaired += one.Repaired
		sum.ForcedUnits += one.ForcedUnits
	}
	return sum, nil
}

// settleParts divides orders into parts that one script call takes.
func settleParts(settlements []Settlement) iter.Seq[[]Settlement] {
	return func(yield func([]Settlement) bool) {
		for len(settlements) > 0 {
			n, lines := 0, 0
			for n < min(len(settlements), settleMost) && (n == 0 || lines+len(settlements[n].Lines) <= maxScriptLines) {
				lines += len(settlements[n].Lines)
				n++
			}
			if !yield(settlements[:n]) {
				return
			}
			settlements = settlements[n:]
		}
	}
}

func (s *Stock) settleOnce(ctx context.Context, settlements []Settlement) (Settled, error) {
	p := s.plan.Load()
	keys := []string{s.keys.stock, s.keys.customers, s.keys.due, s.keys.outbox}
	args := []string{p.epoch, p.recordsLength}
	for i := range settlements {
		one := &settlements[i]
		at, err := s.locate(p, one.ReservationID)
		if err != nil {
			return Settled{}, err
		}
		keys = append(keys, at.key)
		args = append(args, at.epoch, strconv.FormatInt(max(1, one.CommittedAtMillis), 10),
			strconv.FormatInt(one.OrderedAtMillis, 10), one.CustomerKey, p.orderChannel(one.Channel), linesWord(one.Lines, one.Drawn))
	}
	counts, err := settleScript.Exec(ctx, s.deps.Redis, keys, args).AsIntSlice()
	if err != nil {
		return Settled{}, s.failed("settle", err)
	}
	if len(counts) == 1 {
		return Settled{}, s.refused(counts[0])
	}
	if len(counts) != 3 {
		return Settled{}, errAnswer
	}
	if counts[1]+counts[2] > 0 {
		s.deps.Log.Warn("the ledger put the stock right", "sale", s.sale, "repaired_orders", counts[1], "forced_units", counts[2])
	}
	return Settled{Repaired: counts[1], ForcedUnits: counts[2]}, nil
}

// orderChannel is the word of the channel of an order whose reservation may be missing.
func (p *plan) orderChannel(name string) string {
	channel, ok := p.channel(name)
	if !ok {
		channel = p.defaultChannel
	}
	return channelWord(p.names[channel])
}
