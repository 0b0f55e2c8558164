package reservation

import (
	"maps"
	"slices"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

// Restored is what a stock is rebuilt from after Redis has lost it. Fold fills in the live
// reservations; the caller adds what the ledger and the order log know.
type Restored struct {
	live map[string]record // by core
	// Damaged counts the journal records that could not be read.
	Damaged int
	// Ordered reports whether a reservation has become an order, in the ledger or still in the order
	// log. Such a one is not live any more. It must be set if there were orders.
	Ordered func(reservationID string) bool
	// Sold are the units of the orders in the ledger.
	Sold []SoldUnits
	// Bought is what each customer has bought by the ledger: CustomerKey → SKU → units.
	Bought map[string]map[string]int64
	// Orders get their records back, so that they can be looked up, repeated and settled again.
	Orders []RestoredOrder
}

// SoldUnits are units of an item that were sold through a channel. With an unknown channel ("" in
// a sale that has channels) they are laid on the pools that have room, in the order of their names.
type SoldUnits struct {
	SKU, Channel string
	Units        int64
}

// RestoredOrder is an order that Redis shall know again. One without CommittedAtMillis is still in
// the order log alone: its units are counted in addition to Sold and Bought. One with it is counted
// there already; naming those whose settlement may still be under way keeps it from counting twice.
type RestoredOrder struct {
	ReservationID     string
	CustomerKey       string
	Channel           string
	Lines             []Line
	OrderedAtMillis   int64
	CommittedAtMillis int64
}

// Live tells how many reservations the journal left.
func (r *Restored) Live() int { return len(r.live) }

// entry is a record on its way into Redis.
type entry struct {
	core string
	record
}

// rebuilt is a whole stock as it shall be in Redis.
type rebuilt struct {
	pools     map[string]*Counts          // by "SKU|channel"
	customers map[string]map[string]int64 // CustomerKey → SKU → units held and bought
	entries   []entry
	orders    int64
}

// rebuild adds everything up: available = allocated − sold − held, pool by pool. Reservations that
// have lapsed by now are left out.
func rebuild(rec sale.Record, from *Restored, nowMillis int64) *rebuilt {
	out := &rebuilt{pools: make(map[string]*Counts), customers: make(map[string]map[string]int64)}
	for _, item := range rec.Items {
		for name, units := range rec.Shares(item) {
			out.pools[poolName(item.SKU, channelWord(name))] = &Counts{SKU: item.SKU, Allocated: units}
		}
	}
	if from != nil {
		p := newPlan(rec)
		out.addBought(from.Bought)
		out.addOrders(p, from)
		out.addLive(p, from, nowMillis)
		out.addSold(p, from.Sold)
	}
	for _, c := range out.pools {
		c.Available = c.Allocated - c.Held - c.Sold
	}
	return out
}

func poolName(sku, channel string) string { return sku + "|" + channel }

func (b *rebuilt) addBought(bought map[string]map[string]int64) {
	for customer, units := range bought {
		b.customers[customer] = maps.Clone(units)
	}
}

func (b *rebuilt) charge(customer string, lines []Line) {
	units := b.customers[customer]
	if units == nil {
		units = make(map[string]int64, len(lines))
		b.customers[customer] = units
	}
	for _, line := range lines {
		units[line.SKU] += line.Quantity
	}
}

// pool finds the pool of a line; a channel that is gone is stood in for by the default one.
func (b *rebuilt) pool(p *plan, sku, channel string) *Counts {
	if c, ok := b.pools[poolName(sku, channelWord(channel))]; ok {
		return c
	}
	name := poolName(sku, channelWord(p.names[p.defaultChannel]))
	if b.pools[name] == nil { // an item that is gone keeps its units in view all the same
		b.pools[name] = &Counts{SKU: sku}
	}
	return b.pools[name]
}

func (b *rebuilt) addOrders(p *plan, from *Restored) {
	for _, o := range from.Orders {
		_, epoch, core, err := ParseID(o.ReservationID)
		if err != nil || len(o.Lines) == 0 {
			continue
		}
		r := record{
			status: letterConfirmed, epoch: epoch, created: o.OrderedAtMillis, expires: o.OrderedAtMillis,
			durability: letterOf(p.rec.Durability), customer: o.CustomerKey, channel: b.channel(p, o.Lines[0].SKU, o.Channel),
			payload: nothing, lines: packLines(o.Lines), orderKey: nothing, orderPayload: nothing,
			ordered: o.OrderedAtMillis, committed: o.CommittedAtMillis,
		}
		// What the order does not tell, the journal may: so the request can be repeated as it was.
		if was, ok := from.live[core]; ok && was.epoch == epoch {
			r.created, r.expires, r.extensions = was.created, was.expires, was.extensions
			r.durability, r.payload = was.durability, was.payload
		}
		b.entries = append(b.entries, entry{core, r})
		b.orders++
		if o.CommittedAtMillis > 0 {
			continue
		}
		b.charge(o.CustomerKey, o.Lines)
		for _, line := range o.Lines {
			b.pool(p, line.SKU, o.Channel).Sold += line.Quantity
		}
	}
}

// channel is the word of the pool that b.pool finds.
func (b *rebuilt) channel(p *plan, sku, channel string) string {
	if _, ok := b.pools[poolName(sku, channelWord(channel))]; ok {
		return channelWord(channel)
	}
	return channelWord(p.names[p.defaultChannel])
}

func (b *rebuilt) addLive(p *plan, from *Restored, nowMillis int64) {
	known := make(map[string]bool, len(b.entries))
	for _, e := range b.entries {
		known[e.core] = true
	}
	for _, core := range slices.Sorted(maps.Keys(from.live)) {
		r := from.live[core]
		if r.expires <= nowMillis || known[core] {
			continue
		}
		if from.Ordered != nil && from.Ordered(makeID(p.rec.ID, r.epoch, core)) {
			continue
		}
		lines, err := parseLines(r.lines)
		if err != nil {
			continue
		}
		r.channel = b.channel(p, lines[0].SKU, channelOf(r.channel))
		b.entries = append(b.entries, entry{core, r})
		b.charge(r.customer, lines)
		for _, line := range lines {
			b.pool(p, line.SKU, channelOf(r.channel)).Held += line.Quantity
		}
	}
}

func (b *rebuilt) addSold(p *plan, sold []SoldUnits) {
	for _, one := range sold {
		if one.Channel != "" || len(p.names) == 1 {
			b.pool(p, one.SKU, one.Channel).Sold += one.Units
		}
	}
	for _, one := range sold {
		if one.Channel != "" || len(p.names) == 1 {
			continue
		}
		left := one.Units
		for _, name := range p.names {
			c := b.pool(p, one.SKU, name)
			n := min(left, max(0, c.Allocated-c.Held-c.Sold))
			c.Sold += n
			left -= n
		}
		b.pool(p, one.SKU, p.names[p.defaultChannel]).Sold += left
	}
}

// fields are the counters of all pools and the lists of pools, as arm_load.lua takes them.
func (b *rebuilt) fields(rec sale.Record) []string {
	var fields []string
	channels := make(map[string][]string)
	for _, name := range slices.Sorted(maps.Keys(b.pools)) {
		c := b.pools[name]
		fields = append(fields, "allocated|"+name, decimal(c.Allocated), "available|"+name, decimal(c.Available),
			"held|"+name, decimal(c.Held), "sold|"+name, decimal(c.Sold))
		channels[c.SKU] = append(channels[c.SKU], name[len(c.SKU)+1:])
	}
	for sku, words := range channels {
		fields = append(fields, "pools|"+sku, strings.Join(words, ","))
	}
	for _, item := range rec.Items {
		fields = append(fields, "limit|"+item.SKU, decimal(int64(item.PerCustomer)))
	}
	return append(fields, "orders", decimal(b.orders))
}

func (b *rebuilt) customerFields() []string {
	fields := make([]string, 0, 2*len(b.customers))
	for customer, units := range b.customers {
		var lines []Line
		for sku, n := range units {
			if n > 0 {
				lines = append(lines, Line{SKU: sku, Quantity: n})
			}
		}
		if len(lines) > 0 {
			fields = append(fields, customer, packLines(lines))
		}
	}
	return fields
}
