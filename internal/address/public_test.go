package address

import (
	"net/netip"
	"testing"
)

func TestWhichAddressesArePublic(t *testing.T) {
	for text, public := range map[string]bool{
		"8.8.8.8": true, "142.250.1.95": true, "2600:1901::1": true, "2a00:1450:4001::5f": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "172.16.0.9": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"192.0.2.1": false, "198.18.0.1": false, "192.88.99.1": false,
		"::1": false, "::": false, "fe80::1": false, "fc00::1": false, "fd00::1": false, "ff02::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::127.0.0.1": false,
		"64:ff9b::a00:1": false, "64:ff9b::7f00:1": false, "2002:a00:1::": false, "2002:7f00:1::": false, "2001:0:1::": false,
		"2001:db8::1": false, "100::1": false,
	} {
		if got := IsPublic(netip.MustParseAddr(text)); got != public {
			t.Errorf("%s: %v", text, got)
		}
	}
	if IsPublic(netip.Addr{}) {
		t.Error("an address that is none is public")
	}
}
