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
// cookies, and connects to public addresses alone, or to those that mayBePrivate names for a host. What counts is
// the address that is connected to, whatever name it was found under. Roots, which may be nil, are the
// authorities that are believed.
func newClient(roots *x509.CertPool, mayBePrivate func(host string, addr netip.Addr) bool) *http.Client {
	dial := func(ctx context.Context, network, target string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(target)
		if err != nil {
			return nil, err
		}
		dialer := net.Dialer{Timeout: dialTimeout, Control: func(_, resolved string, _ syscall.RawConn) error {
			if addr := address.Of(resolved); !address.IsPublic(addr) && !mayBePrivate(host, addr) {
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
