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
	runEach(t, s.everyGate("/catalogue/a%20b?x=1", 10_000))
}
