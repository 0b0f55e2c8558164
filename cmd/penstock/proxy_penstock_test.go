//go:build proxies

package main

import (
	"net/http"
	"testing"
)

// newOwnStand is a Penstock that is the proxy itself: the gate and the proxy are one process.
func newOwnStand(t testing.TB, shop string) *proxyStand {
	t.Helper()
	s := &proxyStand{server: newServer(t), refused: http.StatusUnauthorized}
	s.proxy = func(_ testing.TB, penstock, _ string) string { return penstock }
	s.start("--upstream", "http://"+shop, "--protect", "/checkout="+gatedSale)
	s.open(t, shop)
	return s
}

func TestProxyPenstock(t *testing.T) {
	shop := newWatchedShop(t)
	s := newOwnStand(t, shop.address)
	s.shop = shop
	runEach(t, []proxyTest{
		{"a visitor without a pass goes through the room and comes to the page that they asked for", s.walksThroughTheRoom},
		{"a visitor with a pass enters, and the shop is told whom it serves", s.letsIn},
		{"a request with a body comes to the shop whole", s.passesBodiesOn},
		{"a forged, expired, revoked or foreign pass does not enter", s.refusesBadPasses},
		{"the sale is the operator's, whatever the visitor names", s.keepsToItsSale},
		{"what a visitor says in the proxy's headers does not reach the shop", s.stripsForgedHeaders},
		{"a name and password for staging do not matter", s.ignoresOtherCredentials},
		{"a visitor with 8 KB of cookies enters", s.takesManyCookies},
		{"a CORS preflight passes, and a header that says so does not", s.letsPreflightsPass},
		{"pages that are not gated, and failures of the shop, are the shop's own", func(t *testing.T) { s.leavesTheShopAlone(t, "/catalogue/a%20b?x=1") }},
		{"attacks do not reach the checkout", func(t *testing.T) { s.attack(t, 10_000) }},
	})
}
