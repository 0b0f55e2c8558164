package queue

// ItemSupply is what is left of one item.
type ItemSupply struct {
	SKU string
	// Available units are neither held nor sold, and Held ones may come back.
	Available, Held int64
	// FirstBackMillis and LastBackMillis are when the first and the last of the holds end that are in force, in ms
	// of Redis TIME; 0 while that is not known.
	FirstBackMillis, LastBackMillis int64
}

// Holds says what becomes of the holds of a sale.
type Holds struct {
	// LapseShare is the share of holds whose units come back, above 0 … 1.
	LapseShare float64
	// LastsMillis is how long a hold lasts, and ExtendMillis by how much its holder may prolong it.
	LastsMillis, ExtendMillis int64
}

// supply is what is left of a sale, prepared for the polls. It is never changed once published.
type supply struct {
	known   bool
	catalog *catalog
	items   []itemDemand
	whole   itemDemand // all items together, for whoever takes any
}

// itemDemand is an item with those who want it.
type itemDemand struct {
	back
	// share is how many units one visitor who comes takes of it, on average.
	share float64
}

func (d *itemDemand) left() float64    { return d.free + d.held }
func (d *itemDemand) heldOut() bool    { return d.free <= 0 && d.held > 0 }
func (d *itemDemand) soldOut() bool    { return d.free <= 0 && d.held <= 0 }
func (d *itemDemand) add(o itemDemand) { d.free, d.held = d.free+o.free, d.held+o.held }

// SetSupply tells the room what is left of each item, in the order of the sale, after each refresh. Without
// items nothing is known.
func (r *Room) SetSupply(items []ItemSupply, holds Holds) {
	next := &supply{known: len(items) > 0, catalog: r.catalog.Load(), items: make([]itemDemand, len(items))}
	if len(next.catalog.skus) != len(items) {
		next.known = false // another version of the sale
	}
	for i, item := range items {
		d := &next.items[i]
		d.back = back{
			free: float64(max(item.Available, 0)), held: float64(max(item.Held, 0)),
			first: item.FirstBackMillis, last: item.LastBackMillis, holds: holds,
		}
		next.whole.add(*d)
		next.whole.spread(d.back)
		if next.known && next.catalog.skus[i] != item.SKU {
			next.known = false
		}
	}
	next.whole.holds, next.whole.share = holds, 1
	next.count(r.snap.Load())
	r.supply.Store(next)
}

// count works out how many units of each item one visitor takes on average: each takes one. Who named items
// takes one of these; who named none takes any, so that all such visitors spread over what is left.
func (p *supply) count(s *Snapshot) {
	joined := max(s.sum(func(lane *Snapshot) uint64 { return lane.Entrants - min(lane.room.base, lane.Entrants) }), s.room.wanted.named, 1)
	nameless := float64(joined-s.room.wanted.named) / float64(joined)
	for mark, at := range p.catalog.at {
		if at < len(p.items) {
			p.items[at].share = min(float64(s.room.wanted.byMark[mark])/float64(joined), 1)
		}
	}
	for i := range p.items {
		if all := p.whole.left(); all > 0 {
			p.items[i].share += nameless * p.items[i].left() / all
		}
	}
}

// find returns the item of a mark; nil when the sale has none or several.
func (p *supply) find(mark Mark) *itemDemand {
	if at, found := p.catalog.at[mark]; found && at < len(p.items) {
		return &p.items[at]
	}
	return nil
}
