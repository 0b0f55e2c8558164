// Package address tells who is at the other end of a connection, as far as an address can.
package address

import (
	"net"
	"net/netip"
)

// A network is what one household or company usually has, and what addresses of one provider's customers share.
const (
	networkBitsV4 = 24
	networkBitsV6 = 48
)

// ipv6SiteBits is the length of an IPv6 site's prefix: one customer of a provider commonly has a
// whole /64.
const ipv6SiteBits = 64

// Of reads the address of a remote end, host and port as net/http and net.Conn give it, without its
// port and zone; the zero Addr when it cannot be read.
func Of(remote string) netip.Addr {
	withPort, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return withPort.Addr().Unmap().WithZone("")
}

// Peer is Of for the other end of a connection.
func Peer(remote net.Addr) netip.Addr {
	if tcp, ok := remote.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return Of(remote.String())
}

// In reports whether one of the networks has the address.
func In(networks []netip.Prefix, addr netip.Addr) bool {
	for _, network := range networks {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// Site is the network that counts as one visitor: the address itself, or for IPv6 the /64 around it.
// The zero Prefix stands for the zero Addr.
func Site(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = ipv6SiteBits
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// Network is the /24 around an address of IPv4, or the /48 around one of IPv6. The zero Prefix stands for the zero Addr.
func Network(addr netip.Addr) netip.Prefix {
	bits := networkBitsV6
	if addr.Is4() {
		bits = networkBitsV4
	}
	network, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
