package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/penstock/penstock/internal/address"
)

const (
	callTimeout = 5 * time.Second
	dialTimeout = 3 * time.Second
	// maxAnswerBytes bounds what is read of an answer and of its headers.
	maxAnswerBytes = 16 << 10
	// callsAtOnce is how many calls to one receiver are under way at a time.
	callsAtOnce = 64
)

// errPrivate is the refusal to connect to an address that is not public.
var errPrivate = errors.New("the address is not a public one")

// newClient makes calls to addresses that others have written down. It follows no redirect, uses no proxy, keeps no
// cookies, and connects to public addresses alone, or to those that mayPrivate names for a host. What counts is
// the address that is connected to, whatever name it was found under. Roots, which may be nil, are the
// authorities that are believed.
func newClient(roots *x509.CertPool, mayBePrivate func(host string, addr netip.Addr) bool) *http.Client {
	dial := func(ctx context.Context, network, target string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(target)
		if err != nil {
			return nil, err
		}
		dialer := net.Dialer{Timeout: dialTimeout, Control: func(_, resolved string, _ syscall.RawConn) error {
			if addr := address.Of(resolved); !isPublic(addr) && !mayBePrivate(host, addr) {
				return fmt.Errorf("connect to %s: %w", host, errPrivate)
			}
			return nil
		}}
		return dialer.DialContext(ctx, network, target)
	}
	return &http.Client{
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialTimeout,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			MaxIdleConnsPerHost:    callsAtOnce / 4,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxAnswerBytes,
			DisableCompression:     true,
		},
	}
}

// notPublic are networks, besides those that package netip knows, in which no public service is.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	// Of IPv6 these have an IPv4 address in them, which may be a private one.
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fec0::/10"),
}

// isPublic reports whether an address, as package address gives it, can be that of a public service.
func isPublic(addr netip.Addr) bool {
	return addr.IsValid() && addr.IsGlobalUnicast() && !addr.IsPrivate() && !address.In(notPublic, addr)
}
