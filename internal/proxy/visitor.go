package proxy

import (
	"net"
	"net/netip"

	"github.com/penstock/penstock/internal/address"
)

// origin is where a request came from, as far as it is known.
type origin struct {
	peer    netip.Addr // the other end of the connection
	trusted bool       // the peer is a proxy whose headers are believed
	visitor netip.Addr // the nearest address that is no trusted proxy
	sure    bool       // visitor is nobody else
	tls     bool       // the connection to us is encrypted
}

// originOf reads where a request came from.
func originOf(conn net.Conn, overTLS bool, h *head, proxies []netip.Prefix) origin {
	trusts := func(a netip.Addr) bool { return address.In(proxies, a) }
	o := origin{peer: address.Peer(conn.RemoteAddr()), tls: overTLS}
	o.visitor, o.sure = o.peer, true
	if o.trusted = trusts(o.peer); !o.trusted {
		return o
	}
	var lines [][]byte
	for _, f := range h.fields {
		if f.is("X-Forwarded-For") {
			lines = append(lines, f.value)
		}
	}
	o.visitor, o.sure = address.Visitor(o.peer, lines, trusts)
	return o
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
