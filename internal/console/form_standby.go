package console

import (
	"net/url"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

// standbyForm is what was typed into the fields of the mode standby.
type standbyForm struct{ Arrivals, Active, OffAfter string }

func fillStandby(t *sale.StandbyTerms) standbyForm {
	if t == nil {
		return standbyForm{}
	}
	return standbyForm{Arrivals: showLimit(t.OnArrivalsPerMinute), Active: showLimit(t.OnActive), OffAfter: showMinutes(t.OffAfter)}
}

func readStandby(v url.Values) standbyForm {
	text := func(name string) string { return strings.TrimSpace(v.Get("admission.standby." + name)) }
	return standbyForm{Arrivals: text("on_arrivals_per_minute"), Active: text("on_active"), OffAfter: text("off_after")}
}

// standby are the terms of a sale in standby, and nil in another mode. What is left empty gets its default.
func (f *saleForm) standby(mode sale.Mode) *sale.StandbyTerms {
	if mode != sale.Standby {
		return nil
	}
	terms := &sale.StandbyTerms{
		OnArrivalsPerMinute: int(f.number("admission.standby.on_arrivals_per_minute", f.Standby.Arrivals, true)),
		OnActive:            int(f.number("admission.standby.on_active", f.Standby.Active, true)),
	}
	if f.Standby.OffAfter != "" {
		terms.OffAfter = f.minutes("admission.standby.off_after", f.Standby.OffAfter)
	}
	return terms
}
