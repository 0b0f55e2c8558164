package sales

import (
	"reflect"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// checkLiveChange refuses what may not change once the doors are open.
func checkLiveChange(old, next sale.Sale) error {
	fixed := []struct {
		field     string
		old, next any
	}{
		{"draft", old.Draft, next.Draft},
		{"opens_at", old.OpensAt.UnixMilli(), next.OpensAt.UnixMilli()},
		{"starts_at", old.StartsAt.UnixMilli(), next.StartsAt.UnixMilli()},
		{"admission.order", old.Admission.Order, next.Admission.Order},
		{"admission.lanes (their names and order)", true, sale.SameLanes(old.Admission.Lanes, next.Admission.Lanes)},
		{"draw", true, old.Draw.SameParts(next.Draw)},
		{"items", old.Items, next.Items},
		{"channels", old.Channels, next.Channels},
		// What customers have taken is counted under their names, so the rule for names stays.
		{"reservation.customer", old.Reservation.Customer, next.Reservation.Customer},
		{"reservation.plus_tags", old.Reservation.PlusTags, next.Reservation.PlusTags},
		{"payment", old.Payment, next.Payment},
		{"durability", old.Durability, next.Durability},
		// The orders of a sale are all the shop's own, or none is.
		{"shadow", old.Shadow, next.Shadow},
	}
	for _, f := range fixed {
		if !reflect.DeepEqual(f.old, f.next) {
			return problem.With(problem.SaleIsLive, f.field+" cannot change once the doors are open; the stock is changed by its own call")
		}
	}
	return nil
}
