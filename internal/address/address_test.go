package address

import "testing"

func TestOneSiteIsOneAddressOrOneIPv6Network(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:443":              "192.0.2.7/32",
		"[::ffff:192.0.2.7]:443":     "192.0.2.7/32",
		"[2001:db8:1:2:3:4:5:6]:443": "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:1":   "2001:db8:1:2::/64",
		"[fe80::1%eth0]:443":         "fe80::/64",
		"/run/penstock.sock":         "invalid Prefix",
		"192.0.2.7":                  "invalid Prefix",
		"":                           "invalid Prefix",
	} {
		if got := Site(Of(remote)).String(); got != want {
			t.Errorf("%q: %s, want %s", remote, got, want)
		}
	}
}
