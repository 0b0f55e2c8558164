package front

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/netip"
	"time"
)

const (
	// A network is what one household or company usually has.
	networkBitsV4 = 24
	networkBitsV6 = 48
	// deviceCookie tells one browser from another. It says nothing of its owner.
	deviceCookie = "penstock_device"
	deviceBytes  = 16
	maxDevice    = 64
)

var (
	headerForwardedFor = []byte("X-Forwarded-For")
	deviceCookiePrefix = []byte(deviceCookie + "=")
	deviceHeader       = []byte("Penstock-Device")
)

// visitorPlace is from where a request comes.
type visitorPlace struct {
	network string
	device  string // a fingerprint of the device key; empty when none was sent
}

func (s *Server) placeOfVisitor(c *call) visitorPlace {
	return visitorPlace{network: networkOf(s.visitorAddress(c)), device: deviceOf(c)}
}

// visitorAddress is the address nearest to us that is not one of a trusted proxy: each proxy adds to
// X-Forwarded-For at the end the address from which it was called, and whoever was called by a visitor
// added theirs. It is that of the connection when all of them are trusted.
func (s *Server) visitorAddress(c *call) netip.Addr {
	tcp, ok := c.ctx.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	address := tcp.AddrPort().Addr().Unmap()
	list := bytes.Join(c.ctx.Request.Header.PeekAll(string(headerForwardedFor)), []byte(","))
	for s.trusts(address) && len(list) > 0 {
		last := list
		if at := bytes.LastIndexByte(list, ','); at >= 0 {
			last, list = list[at+1:], list[:at]
		} else {
			list = nil
		}
		said, err := netip.ParseAddr(string(bytes.TrimSpace(last)))
		if err != nil {
			break
		}
		address = said.Unmap()
	}
	return address
}

func networkOf(address netip.Addr) string {
	bits := networkBitsV6
	if address.Is4() {
		bits = networkBitsV4
	}
	network, err := address.WithZone("").Prefix(bits)
	if err != nil {
		return ""
	}
	return network.String()
}

// deviceOf fingerprints the device key, so that what is stored is no key.
func deviceOf(c *call) string {
	key := c.ctx.Request.Header.PeekCanonical(deviceHeader)
	if len(key) == 0 {
		key = cookieValue(c.ctx.Request.Header.PeekCanonical(cookieHeader), deviceCookiePrefix)
	}
	if len(key) == 0 || len(key) > maxDevice {
		return ""
	}
	sum := sha256.Sum256(key)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// setDeviceCookie gives a browser a key of its own, if it has none.
func (c *call) setDeviceCookie() {
	if deviceOf(c) != "" {
		return
	}
	var key [deviceBytes]byte
	_, _ = rand.Read(key[:]) // it never fails
	c.key = append(c.key[:0], deviceCookiePrefix...)
	c.key = base64.RawURLEncoding.AppendEncode(c.key, key[:])
	c.keepPair(int64(ticketCookieAge / time.Second))
}

// cookieValue finds the cookie whose pair begins with prefix ("name=").
func cookieValue(cookies, prefix []byte) []byte {
	for len(cookies) > 0 {
		pair, rest, _ := bytes.Cut(cookies, []byte(";"))
		cookies = rest
		if value, found := bytes.CutPrefix(bytes.TrimSpace(pair), prefix); found {
			return value
		}
	}
	return nil
}
