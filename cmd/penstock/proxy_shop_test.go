//go:build proxies

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"testing"
	"time"
)

// shopVisit is a request as it reached the shop.
type shopVisit struct {
	method, target, host string
	header               http.Header
	body                 string
	checkout             bool // the shop takes it for its checkout
}

// watchedShop is a shop behind a proxy that remembers what reached it. Requests are told apart by the
// header Shop-Visit, which proxies do not know. It reads paths as freely as any framework does.
type watchedShop struct {
	address string

	mu     sync.Mutex
	visits map[string][]shopVisit
}

func newWatchedShop(t testing.TB) *watchedShop {
	t.Helper()
	s := &watchedShop{visits: map[string][]shopVisit{}}
	s.address = serveOn(t, s)
	return s
}

// serveOn serves a handler on a free address until the test ends.
func serveOn(t testing.TB, h http.Handler) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 128 << 10}
	go func() { _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close() })
	return ln.Addr().String()
}

func (s *watchedShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	visit := shopVisit{
		method: r.Method, target: r.RequestURI, host: r.Host, header: r.Header.Clone(), body: string(body),
		checkout: mayBeCheckout(r.RequestURI) || mayBeCheckout(r.Header.Get("X-Original-Url")) || mayBeCheckout(r.Header.Get("X-Rewrite-Url")),
	}
	label := r.Header.Get("Shop-Visit")
	s.mu.Lock()
	s.visits[label] = append(s.visits[label], visit)
	s.mu.Unlock()
	switch r.URL.Path {
	case "/broken", "/checkout/broken":
		http.Error(w, "the shop is broken", http.StatusInternalServerError)
	default:
		fmt.Fprintf(w, "shop: %s", r.RequestURI)
	}
}

// of returns what reached the shop with a label.
func (s *watchedShop) of(label string) []shopVisit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.visits[label]
}

// checkouts counts the requests with a label that the shop takes for its checkout.
func (s *watchedShop) checkouts(label string) (found []shopVisit) {
	for _, visit := range s.of(label) {
		if visit.checkout {
			found = append(found, visit)
		}
	}
	return found
}

// mayBeCheckout tells whether there is a reading of a request target that is the checkout: decoded once,
// twice or not at all, in any case, with "\" as "/", without ";parameters", with "//" and ".." resolved or not,
// and with a "#" as a part of the path or as its end.
func mayBeCheckout(target string) bool {
	if scheme, rest, absolute := strings.Cut(target, "://"); absolute && !strings.Contains(scheme, "/") {
		_, target, _ = strings.Cut(rest, "/")
		target = "/" + target
	}
	target, _, _ = strings.Cut(target, "?")
	untilHash, _, _ := strings.Cut(target, "#")
	for _, reading := range []string{target, untilHash} {
		for range 4 {
			for _, plain := range []string{reading, withoutParameters(reading)} {
				if isCheckout(plain) {
					return true
				}
			}
			decoded, err := url.PathUnescape(reading)
			if err != nil {
				break
			}
			reading = decoded
		}
	}
	return false
}

func isCheckout(reading string) bool {
	plain := "/" + strings.TrimLeft(strings.ToLower(strings.ReplaceAll(reading, `\`, "/")), "/")
	return strings.HasPrefix(plain, "/checkout") || strings.HasPrefix(path.Clean(plain), "/checkout")
}

// withoutParameters takes ";parameters" off each segment, as servlet containers do.
func withoutParameters(reading string) string {
	segments := strings.Split(reading, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}
