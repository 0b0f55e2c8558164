package queue

// Outlook says whether somebody who waits will probably get what they came for.
type Outlook string

// The outlooks. Of a single item there are also held_out and sold_out.
const (
	Likely      Outlook = "likely"
	Unlikely    Outlook = "unlikely"
	ItemHeldOut Outlook = "held_out"
	ItemSoldOut Outlook = "sold_out"
)

// ItemOutlook is the outlook of one item that a visitor named.
type ItemOutlook struct {
	SKU     string
	Outlook Outlook
}

// outlookFor says how it stands with an item for somebody before whom people are expected to come. It is pure.
// Unlikely means: those before, at one unit for each who wants the item, take all that is left, also when each
// held unit comes back. So it errs on the side of likely.
func outlookFor(d *itemDemand, people float64) Outlook {
	switch {
	case d.soldOut():
		return ItemSoldOut
	case people*d.share >= d.left():
		return Unlikely
	case d.heldOut():
		return ItemHeldOut
	default:
		return Likely
	}
}

// judged is what the supply means for one visitor.
type judged struct {
	known   bool
	outlook Outlook
	items   [MaxInterest]ItemOutlook
	named   int
	// heldOut and soldOut: that is so for each of the items that the visitor takes.
	heldOut, soldOut bool
	// best is the item of which a unit is expected first, and people those who take one before.
	best *itemDemand
}

// judge works out what a visitor with an interest may expect, before whom people are expected to come. It is pure.
func (p *supply) judge(interest Interest, people float64) (j judged) {
	if p == nil || !p.known {
		return j
	}
	j.known, j.heldOut, j.soldOut = true, true, true
	best := -1.0
	for _, mark := range interest {
		d := p.find(mark)
		if mark == 0 || d == nil {
			continue
		}
		one := ItemOutlook{SKU: p.catalog.skus[p.catalog.at[mark]], Outlook: outlookFor(d, people)}
		j.items[j.named] = one
		j.named++
		j.heldOut = j.heldOut && d.free <= 0
		j.soldOut = j.soldOut && d.soldOut()
		if spare := d.left() - people*d.share; j.best == nil || spare > best {
			j.best, best = d, spare
		}
		if one.Outlook == Likely || one.Outlook == ItemHeldOut {
			j.outlook = Likely
		}
	}
	if j.named == 0 {
		j.best = &p.whole
		j.heldOut, j.soldOut = p.whole.heldOut(), p.whole.soldOut()
		if outlookFor(j.best, people) == Likely || outlookFor(j.best, people) == ItemHeldOut {
			j.outlook = Likely
		}
	}
	j.heldOut = j.heldOut && !j.soldOut
	if j.outlook == "" {
		j.outlook = Unlikely
	}
	return j
}
