package front

import (
	"context"
	"errors"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/proxy"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

// admitted says by what a visitor may go on to what a sale protects. Without a pass the sale needs none.
type admitted struct {
	entry   *salecache.Entry
	pass    queue.Pass
	token   token // of the pass
	hasPass bool
	shadow  string // what would have become of the visitor in a sale in shadow mode; "" in others
}

// admit is the one rule for who may go on to what a sale protects; forward-auth and the proxy ask it.
// PassNeeded asks for a pass even where the sale needs none, or is in shadow mode: the visitor has named the sale.
//
// Errors: pass_required for whoever belongs in the waiting room, unknown_sale when that is certain, and
// unavailable while it is not known.
func (s *Server) admit(saleID string, presented tokens, from visitorPlace, passNeeded bool) (admitted, error) {
	if !sale.ValidID(saleID) {
		return admitted{}, problem.UnknownSale
	}
	entry, err := s.find(saleID, problem.UnknownSale)
	if err != nil {
		return admitted{}, err
	}
	if entry.Record().Shadow && !passNeeded {
		return s.admitInShadow(entry, presented, from), nil
	}
	return s.admitTo(entry, presented, from, passNeeded)
}

func (s *Server) admitTo(entry *salecache.Entry, presented tokens, from visitorPlace, passNeeded bool) (got admitted, err error) {
	got.entry = entry
	if !entry.Phase().Running() {
		return got, problem.PassRequired
	}
	if !passNeeded && entry.Mode() == sale.Open {
		return got, nil
	}
	if err := seen(entry); err != nil {
		return got, err // it is not known which passes were given back
	}
	switch got.pass, got.token, err = s.passFrom(entry, presented, from); {
	case errors.Is(err, problem.Unavailable):
		return got, err
	case err != nil:
		return got, problem.PassRequired
	}
	got.hasPass = true
	return got, nil
}

// arrive counts a visitor who goes on without a pass, for a sale in standby. Whoever is refused is counted in the
// waiting room.
func (a *admitted) arrive(refused error) {
	if refused == nil && !a.hasPass {
		a.entry.Room().Arrive()
	}
}

// passesTo are the passes of a sale that a visitor of a shop presents.
func passesTo(saleID string, v *proxy.Visitor) tokens {
	return tokens{headers: v.Passes, cookies: v.Cookies, prefix: passCookie, sale: []byte(saleID)}
}

// admitToShop answers the proxy.
func (s *Server) admitToShop(saleID string, v *proxy.Visitor) proxy.Admission {
	from := visitorPlace{network: networkOf(v.Address), device: fingerprint(deviceKey(v.Device, v.Cookies))}
	got, err := s.admit(saleID, passesTo(saleID, v), from, false)
	if v.Page {
		got.arrive(err)
	}
	switch {
	case err == nil && got.hasPass:
		return proxy.Admission{
			Verdict: proxy.Admitted, Ticket: uint64(got.pass.Ticket), ExpiresAt: got.pass.ExpiresAt, Pass: got.token.text, Shadow: got.shadow,
		}
	case err == nil:
		return proxy.Admission{Verdict: proxy.Admitted, Shadow: got.shadow}
	case errors.Is(err, problem.PassRequired), errors.Is(err, problem.UnknownSale):
		return proxy.Admission{Verdict: proxy.Refused, Reason: err}
	default:
		return proxy.Admission{Verdict: proxy.Unknown, Reason: err}
	}
}

// roomFromShop is the way to a waiting room from a page of a shop behind the proxy.
func (s *Server) roomFromShop(saleID, back string) string { return s.roomBackTo(saleID, back, "") }

// endPassForShop takes the pass away that a visitor presents for a sale, if there is one that holds.
func (s *Server) endPassForShop(ctx context.Context, saleID string, v *proxy.Visitor) error {
	entry, err := s.find(saleID, problem.UnknownSale)
	if errors.Is(err, problem.UnknownSale) {
		return nil
	}
	if err != nil {
		return err
	}
	pass, _, err := bestPass(passesTo(saleID, v), func(one token) (queue.Pass, error) { return s.passOf(entry, one) })
	if err != nil {
		return nil //nolint:nilerr // nothing that holds is to be ended
	}
	if err := intact(entry); err != nil {
		return err
	}
	return entry.Room().Release(ctx, pass)
}
