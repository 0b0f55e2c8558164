package front

import (
	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/customer"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/proxy"
	"github.com/penstock/penstock/internal/shadow"
	"github.com/penstock/penstock/reservation"
)

// mirrors reports whether the calls of a shop about a sale are looked at: the sale is in shadow mode, or it is not
// known yet whether it is.
func (s *Server) mirrors(saleID string) bool {
	if s.Shadow == nil {
		return false
	}
	if entry := s.Sales.Get(saleID); entry != nil {
		return entry.Record().Shadow
	}
	return !s.Sales.Complete()
}

// mirror takes a call of a shop from the proxy. It never waits.
func (s *Server) mirror(m *proxy.Mirrored) {
	entry := s.Sales.Get(m.Sale)
	switch {
	case entry == nil:
		s.Shadow.Unseen(m.Sale, shadow.UnseenUnavailable)
		return
	case m.Unseen != "":
		s.Shadow.Unseen(m.Sale, shadow.Unseen(m.Unseen))
		return
	case carddata.In(m.Reference), carddata.In(m.Customer):
		s.Shadow.Unseen(m.Sale, shadow.UnseenUnreadable)
		return
	}
	rec := entry.Record()
	call := shadow.Call{Sale: m.Sale, Reference: shadow.CleanReference(m.Reference), At: m.At}
	switch {
	case m.Cancels && !m.Accepted:
		return // nothing was taken back
	case m.Cancels:
		call.Outcome = ledger.ShadowCancelled
	case m.Accepted:
		call.Outcome = ledger.ShadowAccepted
	default:
		call.Outcome = ledger.ShadowRefused
	}
	for _, line := range m.Lines {
		if rec.ItemIndex(line.SKU) >= 0 {
			call.Lines = append(call.Lines, reservation.Line{SKU: line.SKU, Quantity: line.Quantity})
		}
	}
	if len(call.Lines) == 0 && !m.Cancels {
		s.Shadow.OtherItems(m.Sale)
		return
	}
	if m.Customer != "" {
		name, err := customer.Name(m.Customer, rec.Reservation)
		if err != nil {
			s.Shadow.Unseen(m.Sale, shadow.UnseenUnreadable)
			return
		}
		call.Customer = name
	}
	if m.OfShop { // what the shop names alike is the same; what a visitor names alike is not
		call.Key = shadowKey("shop", m.Site, string(call.Outcome), m.Reference)
	}
	s.Shadow.Mirror(call)
}
