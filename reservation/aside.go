package reservation

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Lot are units of an item that came back while people waited. Until they are for anyone they are for passes that
// were issued at FromMillis or later. They count as available.
type Lot struct {
	Item        int // position among the items of the sale
	Units       int64
	FromMillis  int64
	UntilMillis int64
}

// SetAsideFor tells the stock for how long units that come back are set aside for those who are admitted
// afterwards; 0 while nobody waits to be admitted. It must be called before the stock is used.
func (s *Stock) SetAsideFor(f func() time.Duration) { s.asideFor = f }

// asideMillis is for how long units that come back now are set aside.
func (s *Stock) asideMillis() int64 {
	if s.asideFor == nil {
		return 0
	}
	return s.asideFor().Milliseconds()
}

// issuedSeconds is by which time of issue the script judges a request while people wait. Without a pass nothing that
// is set aside may be taken.
func (a *ask) issuedSeconds() string { return decimal(a.issued) }

// lots reads what is set aside, in the order of the items.
func (raw *rawStock) lots(p *plan) (lots []Lot) {
	for name, text := range raw.aside {
		sku, _, _ := strings.Cut(name, "|")
		item, known := p.items[sku]
		if !known || text == "" {
			continue
		}
		for word := range strings.SplitSeq(text, ",") {
			if lot, ok := parseLot(word); ok && lot.UntilMillis > raw.now {
				lot.Item = item
				lots = append(lots, lot)
			}
		}
	}
	slices.SortFunc(lots, func(a, b Lot) int {
		if a.Item != b.Item {
			return a.Item - b.Item
		}
		return int(a.FromMillis - b.FromMillis)
	})
	return lots
}

// parseLot reads units:at:until. See aside.lua.
func parseLot(word string) (Lot, bool) {
	parts := strings.Split(word, ":")
	if len(parts) != 3 {
		return Lot{}, false
	}
	var n [3]int64
	for i, part := range parts {
		var err error
		if n[i], err = strconv.ParseInt(part, 10, 64); err != nil {
			return Lot{}, false
		}
	}
	return Lot{Units: n[0], FromMillis: (n[1] + 1) * 1000, UntilMillis: n[2]}, true
}
