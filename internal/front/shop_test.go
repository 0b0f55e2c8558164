package front

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/penstock/penstock/internal/proxy"
	"github.com/penstock/penstock/internal/testenv"
)

// newShop starts a shop, whose handler is net/http's.
func newShop(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	shop := httptest.NewServer(handler)
	t.Cleanup(shop.Close)
	return shop
}

// sites reads a sites file of one site with every host; more are further lines of the site.
func sites(t testing.TB, server string, more ...string) *proxy.Sites {
	t.Helper()
	lines := append([]string{`hosts: ["*"]`, "upstream: {servers: ['" + server + "'], keep_alive: 5s, idle_timeout: 5s, connect_timeout: 1s}"}, more...)
	return parsedSites(t, "sites:\n- "+strings.Join(lines, "\n  "))
}

func parsedSites(t testing.TB, text string) *proxy.Sites {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sites.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	parsed, err := proxy.ReadSites(path, proxy.Limits{MaxBodyBytes: proxy.DefaultMaxBodyBytes})
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// newDoor is a front with shops behind it and no sales.
func newDoor(t testing.TB, shops *proxy.Sites, options ...stackOption) *stack {
	t.Helper()
	s := &stack{t: t, logged: &lockedBuffer{}}
	deps := Deps{Sites: shops, Metrics: prometheus.NewRegistry()}
	for _, option := range options {
		option(&deps)
	}
	s.serve(deps)
	t.Cleanup(func() {
		stop, cancel := context.WithTimeout(context.Background(), waitFor)
		defer cancel()
		if err := s.Shutdown(stop); err != nil {
			t.Error("shutdown:", err)
		}
	})
	return s
}

// rawShop is a server of a shop that says what a test tells it to, byte by byte.
type rawShop struct {
	net.Listener
	t testing.TB
}

func newRawShop(t testing.TB) *rawShop {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return &rawShop{Listener: ln, t: t}
}

func (s *rawShop) url() string { return "http://" + s.Addr().String() }

// accept waits for the next connection.
func (s *rawShop) accept() *raw {
	s.t.Helper()
	_ = s.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(waitFor))
	conn, err := s.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * waitFor))
	return &raw{Conn: conn, t: s.t, answers: bufio.NewReader(conn)}
}

// request reads the head of the next request, and its body when it has a length.
func (r *raw) request() *http.Request {
	r.t.Helper()
	request, err := http.ReadRequest(r.answers)
	if err != nil {
		r.t.Fatal(err)
	}
	return request
}

// rest reads what comes until the end of the connection.
func (r *raw) rest() string {
	text, _ := io.ReadAll(r.answers) // how it ended is not asked
	return string(text)
}

// trustLoopback makes the tests a proxy that is believed.
func trustLoopback(d *Deps) {
	d.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

func trustNobody(d *Deps) { d.TrustedProxies = nil }

// listenAgain takes the address of a server that has been closed.
func listenAgain(t testing.TB, address string) net.Listener {
	t.Helper()
	var ln net.Listener
	testenv.Eventually(t, waitFor, "the address is free", func() (free bool) {
		var err error
		ln, err = net.Listen("tcp", address)
		return err == nil
	})
	return ln
}

// metric is the sum of a metric over its labels.
func (s *stack) metric(t testing.TB, name string) float64 { return s.metricWith(t, name, "") }

// metricWith is the sum of a metric over those that have a label of this value, or over all when it is empty.
func (s *stack) metricWith(t testing.TB, name, value string) (sum float64) {
	t.Helper()
	families, err := s.Metrics.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, one := range family.GetMetric() {
			has := value == "" || slices.ContainsFunc(one.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == value })
			if has {
				sum += one.GetCounter().GetValue() + one.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// tries sends requests as they are written, on one connection as long as that is kept.
type tries struct {
	s       *stack
	conn    net.Conn
	answers *bufio.Reader
}

func (s *stack) tries() *tries { return &tries{s: s} }

func (t *tries) close() {
	if t.conn != nil {
		_ = t.conn.Close()
	}
	t.conn = nil
}

// send returns the status of the answer; 0 for none.
func (t *tries) send(method, target, lines string) int {
	if t.conn == nil {
		conn, err := net.Dial("tcp", strings.TrimPrefix(t.s.url, "http://"))
		if err != nil {
			return 0
		}
		t.conn, t.answers = conn, bufio.NewReader(conn)
	}
	_ = t.conn.SetDeadline(time.Now().Add(waitFor))
	if _, err := io.WriteString(t.conn, method+" "+target+" HTTP/1.1\r\nHost: a\r\n"+lines+"\r\n"); err != nil {
		t.close()
		return 0
	}
	answer, err := http.ReadResponse(t.answers, &http.Request{Method: method})
	if err != nil {
		t.close()
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	if answer.Close {
		t.close()
	}
	return answer.StatusCode
}
