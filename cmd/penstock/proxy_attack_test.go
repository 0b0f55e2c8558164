//go:build proxies

package main

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	attackers    = 8
	attackLabel  = "attack"
	exchangeTime = 5 * time.Second // a proxy keeps the connections of some attacks open
)

// attackPaths are targets that some shop may read as /checkout.
var attackPaths = []string{
	"/checkout", "/checkout/", "/checkout/step", "/checkout?a=b", "/checkout/?sale=" + openSale,
	"//checkout", "///checkout//", "/./checkout", "/x/../checkout", "/x/..//checkout", "/../checkout", "/x/y/../../checkout",
	"/%2fcheckout", "/%2Fcheckout", "/checkout%2f", "/checkout%2fstep", "/x%2f..%2fcheckout", "/x/%2e%2e/checkout", "/%2e/checkout",
	"/%63heckout", "/%43heckout", "/c%68eckout", "/%2563heckout", "/%25%36%33heckout", "/%252fcheckout", "/x/%252e%252e/checkout",
	"/checkout;x", "/checkout;x=1/step", "/;/checkout", "/a;b/../checkout", "/a/..;/checkout", "/.;/checkout", "/;x=/checkout",
	"/Checkout", "/CHECKOUT", "/cHeCkOuT/step", `/\checkout`, `/x\..\checkout`, "/%5ccheckout", "/x%5c..%5ccheckout",
	"/#/../checkout", "/x#/../../checkout", "/checkout#", "/checkout%23", "/checkout%00", "/checkout%20", "/checkout%0a", "/checkout.", "/checkout/.",
	"/sales/../checkout", "/sales/..;/checkout", "/sales/%2e%2e/checkout", "/sales/..%2fcheckout", "/sales//../checkout", "/sales/x/../../checkout",
	"/v1/sales/../../checkout", "/v1/sales/..%2f..%2fcheckout", "/v1/orders/../../checkout", "/v1/orders;/../../checkout",
	"/v1/sales/%252e%252e/%252e%252e/checkout", "/_penstock/../checkout", "/_penstock", "/v1/auth/../../checkout",
	"/checkout/../x", "/checkout/..", "/checkout/%2e%2e/x", "/checkout%2f..%2f..%2fx", "/checkout/..;/x", "/checkout/%252e%252e/x", "/checkout/.%2e/x?a=/",
	"checkout", "*", "http:///checkout", "http://other.example/checkout", "http://shop.example//checkout", "HTTP://shop.example/%63heckout",
	"/%u0063heckout", "/checkout\t", "/?/../checkout", "/x%3f/../checkout", "/x?/../checkout", "/checkout&x", "/ch%65ckout?x=/../y",
}

// attackHeaders are lines with which a visitor may try to talk the proxy, the gate or the shop round.
var attackHeaders = []string{
	"", "Penstock-Sale: " + openSale, "penstock-sale: " + openSale + "\r\nPenstock-Sale: " + openSale, "Penstock_Sale: " + openSale,
	"Penstock-Redirect: 1", "Penstock-Ticket: 1\r\nPenstock-Shadow: admit\r\nPenstock-Pass-Expires: 2099-01-01T00:00:00Z",
	"X-Forwarded-Method: OPTIONS\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: POST",
	"X-Forwarded-Uri: /\r\nX-Forwarded-Host: evil.example", "X-Original-URL: /checkout", "X-Rewrite-URL: /checkout",
	"Connection: close, Penstock-Pass, Cookie", "Connection: X-Forwarded-Uri, X-Forwarded-Method, X-Forwarded-Host",
	"X-HTTP-Method-Override: OPTIONS", "Expect: 100-continue", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
	"Authorization: Basic c3RhZ2luZzpzZWNyZXQ=", "Content-Length: 0", "Host: other.example",
}

// attacks makes the requests: each is one credential, one path, one method and one header, chosen by chance
// from a fixed seed, so that a failure can be repeated.
func (s *proxyStand) attacks(count int) []string {
	random := rand.New(rand.NewPCG(1, 2))
	bad := s.badPasses()
	names := slices.Sorted(maps.Keys(bad))
	made := make([]string, 0, count)
	for len(made) < count {
		path := attackPaths[len(made)%len(attackPaths)] // each as often as the others
		method := pick(random, []string{"GET", "GET", "HEAD", "POST", "OPTIONS", "PUT", "TRACE", "get", "PROPFIND"})
		lines := []string{"Host: " + s.address, "Shop-Visit: " + attackLabel, "Connection: close"}
		for name, value := range bad[pick(random, names)] {
			lines = append(lines, name+": "+value)
		}
		if more := pick(random, attackHeaders); more != "" {
			lines = append(lines, more)
		}
		if method == "OPTIONS" && strings.Contains(strings.Join(lines, "\n"), "Access-Control-Request-Method") {
			continue // a real preflight, which passes
		}
		version := pick(random, []string{"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"})
		made = append(made, method+" "+path+" "+version+"\r\n"+strings.Join(lines, "\r\n")+"\r\n\r\n")
	}
	return made
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// smuggled are requests that hide another in their body or behind themselves.
func (s *proxyStand) smuggled() []string {
	hidden := "GET /checkout HTTP/1.1\r\nHost: " + s.address + "\r\nConnection: close\r\nShop-Visit: " + attackLabel + "\r\n\r\n"
	head := "POST / HTTP/1.1\r\nHost: " + s.address + "\r\n"
	size := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	return []string{
		"GET / HTTP/1.1\r\nHost: " + s.address + "\r\n\r\n" + hidden,
		head + size(len(hidden)+5) + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		head + size(4) + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n", len(hidden)) + hidden + "\r\n0\r\n\r\n",
		head + size(len(hidden)) + size(0) + "\r\n" + hidden,
		head + "Transfer-Encoding: xchunked\r\n" + size(len(hidden)) + "\r\n" + hidden,
		head + "Transfer-Encoding : chunked\r\n" + size(len(hidden)+5) + "\r\n0\r\n\r\n" + hidden,
		head + "X: y\nTransfer-Encoding: chunked\r\n" + size(len(hidden)+5) + "\r\n0\r\n\r\n" + hidden,
		"GET /sales/" + gatedSale + " HTTP/1.1\r\nHost: " + s.address + "\r\n" + size(len(hidden)) + "\r\n" + hidden,
		"GET / HTTP/1.1\r\nHost: " + s.address + "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + hidden,
	}
}

// attack sends everything over connections of its own, and counts what the shop took for its checkout.
func (s *proxyStand) attack(t *testing.T, count int) {
	requests := append(s.attacks(count), s.smuggled()...)
	work := make(chan string)
	var tally sync.Map
	var all sync.WaitGroup
	for range attackers {
		all.Go(func() {
			for request := range work {
				answered, err := tryExchange(s.address, request)
				answered = strings.TrimPrefix(answered, "HTTP/1.1 100 Continue\r\n\r\n")
				status := "none"
				if len(answered) >= len("HTTP/1.1 200") {
					status = answered[len("HTTP/1.1 "):][:3]
				} else if err != nil {
					status = "cut off"
				}
				n, _ := tally.LoadOrStore(status, new(counter))
				n.(*counter).add(request)
			}
		})
	}
	for _, request := range requests {
		work <- request
	}
	close(work)
	all.Wait()
	if visits := s.shop.checkouts(attackLabel); len(visits) > 0 {
		t.Errorf("%d of %d attacks reached the checkout, first: %+v", len(visits), len(requests), visits[0])
	}
	tally.Range(func(status, n any) bool {
		t.Logf("%6d × %s", n.(*counter).count, status)
		if status == "500" {
			t.Errorf("answered 500: %q", n.(*counter).example)
		}
		return true
	})
	sent, found := tally.Load(strconv.Itoa(s.refused))
	if !found || sent.(*counter).count < count/4 {
		t.Errorf("so few were refused for want of a pass that the attack itself is in doubt: %v", sent)
	}
	if a := s.ask(t, "after", "GET", "/checkout", cookie(s.passes.valid)); a.status != http.StatusOK {
		t.Errorf("afterwards a valid pass got %d", a.status)
	}
}

// counter counts, and keeps the first example.
type counter struct {
	mu      sync.Mutex
	count   int
	example string
}

func (c *counter) add(example string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count++; c.count == 1 {
		c.example = example
	}
}

func tryExchange(address, text string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, exchangeTime)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(exchangeTime)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	got, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	return string(got), err
}
