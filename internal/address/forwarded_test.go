package address

import (
	"net/netip"
	"testing"
)

func TestTheVisitorIsTheLastThatNoTrustedProxyIs(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8")}
	for _, row := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:80", "", "192.0.2.1"},
		{"192.0.2.1:80", "198.51.100.7", "192.0.2.1"}, // who is not trusted may say what they like
		{"127.0.0.1:80", "", "127.0.0.1"},
		{"127.0.0.1:80", "198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:80", "203.0.113.9, 198.51.100.7 , 10.1.2.3", "198.51.100.7"},
		{"127.0.0.1:80", "203.0.113.9,::ffff:198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:80", "198.51.100.7, nonsense", "127.0.0.1"},
		{"127.0.0.1:80", "198.51.100.7,", "127.0.0.1"},
		{"127.0.0.1:80", "10.1.1.1", "10.1.1.1"},
		{"127.0.0.1:80", "2001:db8::1%eth0", "2001:db8::1"},
	} {
		if got := Behind(row.remote, row.forwarded, trusted); got != netip.MustParseAddr(row.want) {
			t.Errorf("%s with %q: %s, want %s", row.remote, row.forwarded, got, row.want)
		}
	}
}
