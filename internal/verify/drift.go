package verify

import (
	"cmp"
	"slices"
	"time"
)

// Between names two things that must agree.
type Between string

// What is compared.
const (
	// BetweenCounters is what is allocated, and what is available, held, sold and withheld, in Redis.
	BetweenCounters Between = "counters"
	// BetweenHolds is what is held, and the reservations in Redis.
	BetweenHolds Between = "holds"
	// BetweenAllocations is what is allocated in Redis and in the ledger.
	BetweenAllocations Between = "allocations"
	// BetweenOrders is what is sold in Redis and in the ledger.
	BetweenOrders Between = "orders"
)

// Drift is by how many units the first of two things is more than the second; below zero: less.
type Drift struct {
	SKU     string  `json:"sku"`
	Between Between `json:"between"`
	Units   int64   `json:"units"`
}

// DriftReport is what the leader measured of a sale last.
type DriftReport struct {
	// At is when it was measured, by the clock of Redis.
	At time.Time `json:"at"`
	// Drifts are those that two measurements in a row found; none is good, if nothing is unmeasured.
	Drifts []Drift `json:"drifts"`
	// Unmeasured is what could not be compared.
	Unmeasured []Between `json:"unmeasured"`
}

// driftKey is what a drift is of.
type driftKey struct {
	sku     string
	between Between
}

// drifts compares the units, item by item, and tells what could not be compared. It is pure.
func (e *evidence) drifts() (found map[driftKey]int64, unmeasured []Between) {
	found = make(map[driftKey]int64)
	if !e.stock.Ready {
		return found, []Between{BetweenCounters, BetweenHolds, BetweenAllocations, BetweenOrders}
	}
	sold, allocated := e.soldDrift(), e.allocationDrift()
	for _, item := range e.stock.Items {
		found[driftKey{item.SKU, BetweenCounters}] = item.Allocated - (item.Available - item.Owed + item.Held + item.Sold + item.Withheld)
		found[driftKey{item.SKU, BetweenHolds}] = item.Held - item.HeldByReservations
		found[driftKey{item.SKU, BetweenAllocations}] = allocated[item.SKU]
	}
	for sku, units := range sold {
		found[driftKey{sku, BetweenOrders}] = units
	}
	if !e.stock.Stable {
		unmeasured = append(unmeasured, BetweenHolds)
	}
	if e.allocationsMove() {
		unmeasured = append(unmeasured, BetweenAllocations)
	}
	if !e.log.drained || !e.comparable() {
		unmeasured = append(unmeasured, BetweenOrders)
	}
	for key, units := range found {
		if units == 0 || slices.Contains(unmeasured, key.between) {
			delete(found, key)
		}
	}
	return found, unmeasured
}

// lasting is what two measurements in a row found: the smaller of two drifts in the same direction. What could not be
// measured this time is as it was shown before.
func lasting(before, now, shown map[driftKey]int64, unmeasured []Between) map[driftKey]int64 {
	both := make(map[driftKey]int64)
	for key, units := range now {
		switch was := before[key]; {
		case was > 0 && units > 0:
			both[key] = min(was, units)
		case was < 0 && units < 0:
			both[key] = max(was, units)
		}
	}
	for key, units := range shown {
		if slices.Contains(unmeasured, key.between) {
			both[key] = units
		}
	}
	return both
}

// driftList sorts drifts by item.
func driftList(drifts map[driftKey]int64) []Drift {
	list := make([]Drift, 0, len(drifts))
	for key, units := range drifts {
		list = append(list, Drift{SKU: key.sku, Between: key.between, Units: units})
	}
	slices.SortFunc(list, func(a, b Drift) int { return cmp.Or(cmp.Compare(a.SKU, b.SKU), cmp.Compare(a.Between, b.Between)) })
	return list
}
