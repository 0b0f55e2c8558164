package address

import (
	"bytes"
	"net/netip"
)

// maxHops bounds the addresses of X-Forwarded-For that are looked at.
const maxHops = 32

// Visitor is the address nearest to us that is not one of a trusted proxy. Each proxy adds to X-Forwarded-For, at
// the end, the address from which it was called, so its lines are read from their end, as long as those who
// wrote them are trusted. Sure is false when the address may be another's: the lines cannot be read, or name
// nobody but proxies.
func Visitor(peer netip.Addr, forwardedFor [][]byte, trusts func(netip.Addr) bool) (visitor netip.Addr, sure bool) {
	visitor, sure = peer, true
	if !trusts(peer) {
		return visitor, true
	}
	hops := 0
	for i := len(forwardedFor) - 1; i >= 0; i-- {
		for list := forwardedFor[i]; len(list) > 0; {
			cut := bytes.LastIndexByte(list, ',')
			hop := parseHop(list[cut+1:])
			list = list[:max(cut, 0)]
			if hops++; !hop.IsValid() || hops > maxHops {
				return visitor, false
			}
			visitor = hop
			if sure = !trusts(hop); sure {
				return visitor, true
			}
		}
	}
	return visitor, sure
}

// parseHop reads an address, with or without a port; the zero Addr when it is none.
func parseHop(text []byte) netip.Addr {
	written := string(bytes.Trim(text, " \t"))
	if addr, err := netip.ParseAddr(written); err == nil {
		return addr.Unmap().WithZone("")
	}
	return Of(written)
}
