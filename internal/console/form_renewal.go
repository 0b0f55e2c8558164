package console

import (
	"net/url"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

// renewalForm is what was typed into the fields of the renewal of passes.
type renewalForm struct{ By, Max string }

func fillRenewal(r sale.Renewal) renewalForm {
	if r == (sale.Renewal{}) {
		return renewalForm{}
	}
	return renewalForm{By: showMinutes(r.By), Max: showLimit(r.Max)}
}

func readRenewal(v url.Values) renewalForm {
	return renewalForm{
		By: strings.TrimSpace(v.Get("admission.renewal.by")), Max: strings.TrimSpace(v.Get("admission.renewal.max")),
	}
}

// renewal is that of the sale. With both fields empty passes are not renewed.
func (f *saleForm) renewal() (r sale.Renewal) {
	if f.Renewal == (renewalForm{}) {
		return r
	}
	return sale.Renewal{
		By: f.minutes("admission.renewal.by", f.Renewal.By), Max: int(f.number("admission.renewal.max", f.Renewal.Max, false)),
	}
}
