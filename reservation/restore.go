package reservation

import (
	"maps"
	"slices"
	"strings"

	"github.com/penstock/penstock/internal/problem"
)

// RestoredOrder is an order that Redis shall know again after a loss, so that it can be looked up,
// repeated and settled again. Its units count as sold.
type RestoredOrder struct {
	ReservationID   string
	CustomerKey     string
	Channel         string
	Lines           []Line
	Drawn           Drawn
	OrderedAtMillis int64
	// CommittedAtMillis is 0 for an order that is still in the order log alone.
	CommittedAtMillis int64
	// Failed orders were refused by the ledger for good. Their units do not count as sold; they count as
	// withheld when Withheld says so.
	Failed, Withheld bool
}

// anyChannel stands, while a stock is being armed, for the channel of sold units whose channel is not
// known. No channel has this name.
const anyChannel = "?"

// orderEntry words an order as a record.
func (a *Arming) orderEntry(o *RestoredOrder) (armEntry, error) {
	saleID, epoch, core, err := ParseID(o.ReservationID)
	if err != nil || saleID != a.plan.rec.ID || len(o.Lines) == 0 {
		return armEntry{}, problem.UnknownReservation
	}
	word := a.plan.poolWord(o.Lines[0].SKU, o.Channel)
	e := armEntry{core: core, channel: word, record: record{
		status: letterConfirmed, epoch: epoch, created: o.OrderedAtMillis, expires: o.OrderedAtMillis,
		durability: letterOf(a.plan.rec.Durability), customer: o.CustomerKey, channel: word,
		payload: nothing, lines: linesWord(o.Lines, o.Drawn), bearer: nothing, orderKey: nothing, orderPayload: nothing,
		ordered: o.OrderedAtMillis, committed: o.CommittedAtMillis,
	}}
	if o.Failed {
		e.status, e.committed = letterFailed, 0
		if o.Withheld {
			e.committed = 1
		}
		return e, nil
	}
	// An order that is not in the ledger may still be refused there, and then gives back the units of
	// the pool that its record names. So only a committed one may be counted elsewhere.
	if o.Channel == "" && o.Drawn == "" && len(a.plan.names) > 1 && o.CommittedAtMillis > 0 {
		e.channel = anyChannel
	}
	return e, nil
}

// poolWord is the word of a channel's pool; a channel that is gone is stood in for by the default one.
func (p *plan) poolWord(sku, channel string) string {
	_, item := p.items[sku]
	if _, ok := p.channels[channel]; ok && item {
		return channelWord(channel)
	}
	return channelWord(p.names[p.defaultChannel])
}

// firstSKU is the SKU of the first of packed lines.
func firstSKU(lines string) string {
	sku, _, _ := strings.Cut(lines, "=")
	return sku
}

func poolName(sku, channel string) string { return sku + "|" + channel }

// counted adds up the pools of a stock whose orders and reservations have been counted: those of the
// sale, and those of items and channels that are gone, whose units stay in view.
func (p *plan) counted(raw *rawStock) (pools map[string]*Counts, unplaced map[string]int64) {
	pools, unplaced = make(map[string]*Counts), make(map[string]int64)
	for _, item := range p.rec.Items {
		for name, units := range p.rec.Shares(item) {
			pools[poolName(item.SKU, channelWord(name))] = &Counts{SKU: item.SKU, Allocated: units}
		}
	}
	at := func(name string) *Counts {
		if pools[name] == nil {
			sku, _, _ := strings.Cut(name, "|")
			pools[name] = &Counts{SKU: sku}
		}
		return pools[name]
	}
	for field, units := range raw.fields {
		counter, name, ok := strings.Cut(field, "|")
		sku, channel, pooled := strings.Cut(name, "|")
		switch {
		case !ok || !pooled:
		case channel == anyChannel:
			unplaced[sku] += units
		case counter == "held":
			at(name).Held += units
		case counter == "sold":
			at(name).Sold += units
		case counter == "withheld":
			at(name).Withheld += units
		}
	}
	return pools, unplaced
}

// stockFields are all counters, lists of pools and limits of a stock, as arm_fields.lua takes them,
// and the fields that have to go. available = allocated − held − sold − withheld, pool by pool.
func stockFields(p *plan, raw *rawStock) (fields, remove []string) {
	pools, unplaced := p.counted(raw)
	for sku, units := range unplaced {
		p.place(pools, sku, units)
		remove = append(remove, "sold|"+poolName(sku, anyChannel))
	}
	channels := make(map[string][]string)
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		c := pools[name]
		fields = append(fields, "allocated|"+name, decimal(c.Allocated), "available|"+name, decimal(c.Allocated-c.Held-c.Sold-c.Withheld),
			"held|"+name, decimal(c.Held), "sold|"+name, decimal(c.Sold), "withheld|"+name, decimal(c.Withheld))
		channels[c.SKU] = append(channels[c.SKU], name[len(c.SKU)+1:])
	}
	for sku, words := range channels {
		fields = append(fields, "pools|"+sku, strings.Join(words, ","))
	}
	for _, item := range p.rec.Items {
		fields = append(fields, "limit|"+item.SKU, decimal(int64(item.PerCustomer)))
	}
	return fields, remove
}

// place counts sold units of an unknown channel in the pools that have room, in the order of their
// names, and what is left over in the default one.
func (p *plan) place(pools map[string]*Counts, sku string, units int64) {
	for _, name := range p.names {
		c := pools[poolName(sku, channelWord(name))]
		if c == nil {
			continue
		}
		n := min(units, max(0, c.Allocated-c.Held-c.Sold-c.Withheld))
		c.Sold += n
		units -= n
	}
	name := poolName(sku, channelWord(p.names[p.defaultChannel]))
	if pools[name] == nil {
		pools[name] = &Counts{SKU: sku}
	}
	pools[name].Sold += units
}
