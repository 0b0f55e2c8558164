package proxy

import (
	"bytes"
	"net"
	"net/netip"

	"github.com/penstock/penstock/internal/address"
)

// maxForwardedHops bounds the addresses of X-Forwarded-For that are looked at.
const maxForwardedHops = 32

// origin is where a request came from, as far as it is known.
type origin struct {
	peer    netip.Addr // the other end of the connection
	trusted bool       // the peer is a proxy whose headers are believed
	visitor netip.Addr // the nearest address that is no trusted proxy
	claimed bool       // visitor is known from a header only and lies among the trusted proxies
	tls     bool       // the connection to us is encrypted
}

// originOf reads where a request came from. X-Forwarded-For is read from its end, as each proxy appends whom
// it got the request from, and only as long as those who wrote it are trusted.
func originOf(conn net.Conn, overTLS bool, h *head, proxies []netip.Prefix) origin {
	o := origin{peer: address.Of(conn.RemoteAddr().String()), tls: overTLS}
	o.visitor = o.peer
	if o.trusted = contains(proxies, o.peer); !o.trusted {
		return o
	}
	hops := 0
	for i := len(h.fields) - 1; i >= 0; i-- {
		if !h.fields[i].is("X-Forwarded-For") {
			continue
		}
		for list := h.fields[i].value; len(list) > 0; {
			cut := bytes.LastIndexByte(list, ',')
			hop := parseHop(list[cut+1:])
			list = list[:max(cut, 0)]
			if hops++; !hop.IsValid() || hops > maxForwardedHops {
				return o
			}
			o.visitor = hop
			if o.claimed = contains(proxies, hop); !o.claimed {
				return o
			}
		}
	}
	return o
}

// parseHop reads an address, with or without brackets and port; the zero Addr when it is none.
func parseHop(text []byte) netip.Addr {
	written := string(bytes.Trim(text, " \t"))
	if addr, err := netip.ParseAddr(written); err == nil {
		return addr.Unmap().WithZone("")
	}
	return address.Of(written)
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	for _, network := range networks {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// proto is the scheme by which the visitor asked.
func (o *origin) proto(h *head) string {
	if o.trusted {
		switch said := h.get("X-Forwarded-Proto"); string(said) {
		case "https":
			return "https"
		case "http":
			return "http"
		}
	}
	if o.tls {
		return "https"
	}
	return "http"
}

// hostAsked is the host by which the visitor asked.
func (o *origin) hostAsked(h *head) []byte {
	if o.trusted {
		if said := h.get("X-Forwarded-Host"); len(said) > 0 && isHost(said) {
			return said
		}
	}
	return h.host
}
