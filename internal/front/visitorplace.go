package front

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"time"

	"github.com/penstock/penstock/internal/address"
)

const (
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

// visitorAddress is the address that is nearest to us and not one of a trusted proxy.
func (s *Server) visitorAddress(c *call) netip.Addr {
	visitor, _ := address.Visitor(address.Peer(c.ctx.RemoteAddr()), c.ctx.Request.Header.PeekAll(string(headerForwardedFor)), s.trusts)
	return visitor
}

func networkOf(visitor netip.Addr) string {
	network := address.Network(visitor)
	if !network.IsValid() {
		return ""
	}
	return network.String()
}

func deviceOf(c *call) string {
	h := &c.ctx.Request.Header
	return fingerprint(deviceKey(h.PeekCanonical(deviceHeader), h.PeekCanonical(cookieHeader)))
}

// deviceKey returns the device key of a request, from its header or else its cookie.
func deviceKey(header, cookies []byte) []byte {
	if len(header) > 0 {
		return header
	}
	return cookieValue(cookies, deviceCookiePrefix)
}

// fingerprint stands for a device key, so that what is stored is no key. It is empty for one that is none.
func fingerprint(key []byte) string {
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
