package address

import (
	"net/netip"
	"strings"
)

// maxHops bounds the proxies of one request that are looked at.
const maxHops = 16

// Behind returns the address from which a request came first, as far as trusted proxies tell: the last entry of
// X-Forwarded-For (forwarded) that no trusted proxy has. What stands before it may be made up. Without trusted
// proxies it is the remote end itself, host and port as net.Conn gives it.
func Behind(remote, forwarded string, trusted []netip.Prefix) netip.Addr {
	from := Of(remote)
	for range maxHops {
		if forwarded == "" || !within(from, trusted) {
			return from
		}
		var last string
		if at := strings.LastIndexByte(forwarded, ','); at >= 0 {
			forwarded, last = forwarded[:at], forwarded[at+1:]
		} else {
			forwarded, last = "", forwarded
		}
		next, err := netip.ParseAddr(strings.TrimSpace(last))
		if err != nil {
			return from
		}
		from = next.Unmap().WithZone("")
	}
	return from
}

func within(addr netip.Addr, networks []netip.Prefix) bool {
	for _, network := range networks {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}
