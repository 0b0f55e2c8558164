//go:build proxies

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// The sales of a stand. The shipped files name the first.
const (
	gatedSale   = "spring-drop"
	openSale    = "open-house"
	foreignSale = "other-drop"
)

// shippedDir has the files that are shipped. The tests change nothing in them but addresses.
const shippedDir = "../../deploy/forward-auth/"

// startProxy starts a proxy with its shipped file between visitors and the given addresses, and returns
// where it listens, as host:port.
type startProxy func(t testing.TB, penstock, shop string) string

// proxyStand is a Penstock and a shop with one proxy in front of both.
type proxyStand struct {
	*server
	shop    *watchedShop
	proxy   startProxy
	address string // of the proxy
	passes  proxyPasses
	// refused is the answer to whoever has no pass and does not ask for a page.
	refused int
}

// proxyPasses are what visitors show; only the first is good for the gated sale.
type proxyPasses struct{ valid, expired, revoked, foreign, ticket string }

func newProxyStand(t testing.TB, proxy startProxy) *proxyStand {
	t.Helper()
	s := &proxyStand{server: newServer(t), shop: newWatchedShop(t), proxy: proxy, refused: http.StatusFound}
	s.start()
	s.open(t, s.shop.address)
	return s
}

// open makes the sales and the passes, and starts the proxy.
func (s *proxyStand) open(t testing.TB, shop string) {
	t.Helper()
	open := map[string]any{"rate_per_minute": 60000, "max_active": 10000, "mode": "open"}
	s.createSale(openSale, 10, map[string]any{"admission": open})
	s.createSale(foreignSale, 10, nil)
	brief := map[string]any{"rate_per_minute": 60000, "max_active": 10000, "pass_ttl": "2s"}
	s.createSale(gatedSale, 10, map[string]any{"admission": brief})
	s.passes.expired = s.admitted(t, gatedSale).pass
	s.admin(http.StatusOK, "PATCH", "/sales/"+gatedSale, map[string]any{"admission": map[string]any{"pass_ttl": "1h"}})
	s.awaitLongPasses(t)
	given := s.admitted(t, gatedSale)
	s.passes.valid, s.passes.ticket = given.pass, given.ticket
	s.passes.foreign = s.admitted(t, foreignSale).pass
	returned := s.admitted(t, gatedSale)
	must(t, http.StatusNoContent, call{method: "DELETE", url: returned.salePath("/pass"), header: returned.header()})
	s.passes.revoked = returned.pass
	s.address = s.proxy(t, s.host(), shop)
	testenv.Eventually(t, 10*time.Second, "the first pass expires", func() bool {
		a, err := send(http.DefaultClient, call{method: "GET", url: s.front + "/v1/auth?sale=" + gatedSale, header: map[string]string{"Penstock-Pass": s.passes.expired}})
		return err == nil && a.status == http.StatusUnauthorized
	})
}

func (s *proxyStand) host() string { return strings.TrimPrefix(s.front, "http://") }

// url is an address at the proxy.
func (s *proxyStand) url(path string) string { return "http://" + s.address + path }

func (s *proxyStand) admitted(t testing.TB, sale string) *visitor {
	t.Helper()
	v := &visitor{front: s.front, sale: sale, name: "ada@example.com"}
	v.admit(t)
	return v
}

// awaitLongPasses waits until the front gives passes that outlast the test.
func (s *proxyStand) awaitLongPasses(t testing.TB) {
	t.Helper()
	testenv.Eventually(t, 20*time.Second, "passes last longer", func() bool {
		v := s.admitted(t, gatedSale)
		a := must(t, http.StatusNoContent, call{method: "GET", url: s.front + "/v1/auth?sale=" + gatedSale, header: v.header()})
		expires, err := time.Parse(time.RFC3339, a.header.Get("Penstock-Pass-Expires"))
		return err == nil && time.Until(expires) > time.Minute
	})
}

// shipped returns a shipped file with other addresses. Each address must be in it.
func shipped(t testing.TB, name string, addresses map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(shippedDir + name)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for from, to := range addresses {
		if !strings.Contains(string(text), from) {
			t.Fatalf("%s does not contain %q", name, from)
		}
		pairs = append(pairs, from, to)
	}
	return strings.NewReplacer(pairs...).Replace(string(text))
}

// freeAddress is 127.0.0.1 with a free port.
func freeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
}

// builtProxy is a program that is built from tools/proxies.
func builtProxy(t testing.TB, name string) string {
	t.Helper()
	program, err := filepath.Abs("../../bin/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: run make bin/%s", err, name)
	}
	return program
}

func writeProxyFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// runProxy starts a program that listens at an address, and ends it with the test.
func runProxy(t testing.TB, address string, cmd *exec.Cmd) {
	t.Helper()
	output, err := os.Create(filepath.Join(t.TempDir(), "proxy.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is read from ProcessState
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			text, _ := os.ReadFile(output.Name())
			t.Logf("end of the proxy's log:\n%s", text[max(0, len(text)-4000):])
		}
	})
	testenv.Eventually(t, 30*time.Second, cmd.Path+" listens", func() bool {
		select {
		case <-ended:
			text, _ := os.ReadFile(output.Name())
			t.Fatalf("%s ended: %s\n%s", cmd.Path, cmd.ProcessState, text)
		default:
		}
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}
