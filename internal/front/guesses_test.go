package front

import (
	"net/netip"
	"testing"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

func TestUnknownAPIKeysAreLimitedByAddress(t *testing.T) {
	s := newStack(t, func(d *Deps) { d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	id := s.reserveOpen("spring", "k", header{"Authorization": "Bearer " + s.shopKey}).text(t, "id")
	with := func(key, from string) header {
		return header{"Authorization": "Bearer " + key, "X-Forwarded-For": from, "Idempotency-Key": "g"}
	}
	guess := func(status int, code problem.Code, from string) answer {
		t.Helper()
		wrong, _ := auth.NewKey()
		return s.expect(status, code, "POST", "/v1/sales/spring/reservations", with(wrong, from), reserveBody("eve", "SNKR-42", 1))
	}
	for range 5 {
		guess(401, "unauthorized", "203.0.113.5")
	}
	limited := guess(429, "rate_limited", "203.0.113.5")
	if limited.Header.Get("Retry-After") == "" {
		t.Fatal("nobody is told when to come back")
	}
	wrong, _ := auth.NewKey()
	for _, request := range []struct{ method, path, body string }{
		{"POST", "/v1/orders", orderOf(id)}, {"DELETE", "/v1/reservations/" + id, ""}, {"POST", "/v1/reservations/" + id + "/extend", ""},
	} {
		s.expect(429, "rate_limited", request.method, request.path, with(wrong, "203.0.113.5"), request.body)
	}
	guess(401, "unauthorized", "203.0.113.6")
	s.expect(202, "", "POST", "/v1/orders", with(s.shopKey, "203.0.113.5"), orderOf(id)) // a key that is known is no guess
}
