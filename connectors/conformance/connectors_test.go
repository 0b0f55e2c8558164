//go:build connectors

package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const sale = "drop"

// connector is a shop that uses one, started as its documentation says.
type connector struct {
	dir     string
	command func(t testing.TB, listen string) []string
}

func connectors() map[string]connector {
	return map[string]connector{
		"go": {dir: "../go", command: func(t testing.TB, _ string) []string {
			binary := filepath.Join(t.TempDir(), "shop")
			build := exec.Command("go", "build", "-o", binary, "./example")
			build.Dir = "../go"
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return []string{binary}
		}},
		"node": {dir: "../node", command: func(testing.TB, string) []string { return []string{"node", "example/shop.js"} }},
		"php": {dir: "../php", command: func(_ testing.TB, listen string) []string {
			return []string{"php", "-S", listen, "example/shop.php"}
		}},
	}
}

// stage is a waiting room and a shop on another host.
type stage struct {
	t         testing.TB
	connector connector
	room      *room
	shop      string // its address, as visitors see it
	page      string // a page of it
}

func newStage(t testing.TB, c connector) *stage {
	t.Helper()
	s := &stage{t: t, connector: c, room: openRoom(t)}
	s.room.serve("PENSTOCK_SECRET="+firstSecret, "PENSTOCK_NEXT_SECRET="+secondSecret)
	s.shop = s.openShop()
	s.page = s.shop + "/checkout/a%20b?step=1&x"
	s.room.newSale(sale, s.page)
	return s
}

// openShop starts a shop and returns its address. It is on another host than the waiting room by its name,
// so that a browser keeps their cookies apart.
func (s *stage) openShop(settings ...string) string {
	s.t.Helper()
	listen := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(s.t))
	shop := "http://" + strings.Replace(listen, "127.0.0.1", "localhost", 1)
	start(s.t, s.connector.dir, append([]string{
		"PENSTOCK_SALE=" + sale, "PENSTOCK_ROOM_URL=" + s.room.url, "SHOP_LISTEN=" + listen, "PENSTOCK_CACHE_DIR=" + s.t.TempDir(),
	}, settings...), s.connector.command(s.t, listen)...)
	testenv.Eventually(s.t, startLimit, "the shop answers", func() bool { return answers("http://"+listen+"/.well-known/x", http.StatusSeeOther) })
	return shop
}

func (s *stage) roomPage() string { return s.room.url + "/sales/" + sale }

func TestConnectors(t *testing.T) {
	for name, c := range connectors() {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, c)
			for _, statement := range []struct {
				name string
				test func(t *testing.T, s *stage)
			}{
				{"a visitor is led over the waiting room to the page that was asked for", wayIn},
				{"the pass is kept in a cookie of the shop that scripts and other sites cannot use", cookie},
				{"a copied code is refused the second time", copiedCode},
				{"a made-up code leads to the waiting room", madeUpCode},
				{"a visitor with a pass does not lose it by a used code", usedCodeOfAVisitorInside},
				{"looking ahead uses no code up", headUsesNoCode},
				{"no bad pass is let in", badPassesAreRefused},
				{"a pass in the address is taken", passInTheAddress},
				{"programs are told 401", programs},
				{"with the online check a pass that was given back is refused", online},
				{"with the online check a pass that is tied to a network is good there alone", tied},
				{"an open sale needs no pass", openSale},
				{"nothing breaks for a visitor inside when the secret is rotated", rotation},
				{"while penstock is away visitors stay inside and nobody is decided about", away},
			} {
				t.Run(statement.name, func(t *testing.T) {
					statement.test(t, &stage{t: t, connector: c, room: s.room, shop: s.shop, page: s.page})
				})
			}
		})
	}
}

func wayIn(t *testing.T, s *stage) {
	v := newVisitor(t)
	asked := v.open(s.page)
	to, err := url.Parse(asked.leadsTo())
	if err != nil || asked.StatusCode != http.StatusSeeOther || !strings.HasPrefix(asked.leadsTo(), s.roomPage()+"?") || to.Query().Get("return") != s.page {
		t.Fatalf("%d to %q, %v", asked.StatusCode, asked.leadsTo(), err)
	}
	brought := v.isSentOn(asked.leadsTo())
	if !strings.HasPrefix(brought, s.page+"&penstock_code=") {
		t.Fatalf("sent on to %q", brought)
	}
	kept := v.open(brought)
	if kept.StatusCode != http.StatusSeeOther || kept.leadsTo() != s.page {
		t.Fatalf("%d to %q, want %q", kept.StatusCode, kept.leadsTo(), s.page)
	}
	if kept.Header.Get("Referrer-Policy") != "no-referrer" || kept.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the code may leak: %v", kept.Header)
	}
	for range 2 {
		if got := v.open(kept.leadsTo()); !got.isShop() || strings.Contains(got.text, "Ticket <") {
			t.Fatalf("%d %s", got.StatusCode, got.text)
		}
	}
}

func cookie(t *testing.T, s *stage) {
	for _, proto := range []string{"http", "https"} {
		v := newVisitor(t)
		got := v.ask("GET", v.isSentOn(s.roomPage()), "X-Forwarded-Proto", proto)
		if len(got.Cookies()) != 1 {
			t.Fatalf("%d cookies: %v", len(got.Cookies()), got.Header)
		}
		c := got.Cookies()[0]
		if c.Name != "penstock_pass_"+sale || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure != (proto == "https") {
			t.Errorf("over %s: %s", proto, c.Raw)
		}
		if c.MaxAge < 590 || c.MaxAge > 601 {
			t.Errorf("it is kept for %d s, the pass for 600", c.MaxAge)
		}
	}
}

func copiedCode(t *testing.T, s *stage) {
	v, copier := newVisitor(t), newVisitor(t)
	brought := v.isSentOn(s.roomPage())
	v.open(brought)
	got := copier.open(brought)
	if got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got.leadsTo(), s.roomPage()) || strings.Contains(got.leadsTo(), "penstock_code") || len(got.Cookies()) > 0 {
		t.Fatalf("%d to %q", got.StatusCode, got.leadsTo())
	}
}

func madeUpCode(t *testing.T, s *stage) {
	for _, code := range []string{"x", strings.Repeat("A", 136), strings.Repeat("A", 2000), "%00", "a%0Ab", "%22"} {
		got := newVisitor(t).open(s.page + "&penstock_code=" + code)
		if got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got.leadsTo(), s.roomPage()) {
			t.Errorf("%s: %d to %q", code, got.StatusCode, got.leadsTo())
		}
	}
}

func usedCodeOfAVisitorInside(t *testing.T, s *stage) {
	v := newVisitor(t)
	brought := v.isSentOn(s.roomPage())
	v.open(brought)
	if got := v.open(brought); got.StatusCode != http.StatusSeeOther || got.leadsTo() != s.page {
		t.Fatalf("%d to %q", got.StatusCode, got.leadsTo())
	}
	if got := v.open(s.page); !got.isShop() {
		t.Fatalf("%d", got.StatusCode)
	}
}

func headUsesNoCode(t *testing.T, s *stage) {
	v := newVisitor(t)
	brought := v.isSentOn(s.roomPage())
	if got := newVisitor(t).ask("HEAD", brought); len(got.Cookies()) > 0 {
		t.Error("it gave a cookie")
	}
	if got := v.open(brought); got.leadsTo() != s.page {
		t.Fatalf("%d to %q", got.StatusCode, got.leadsTo())
	}
}

func badPassesAreRefused(t *testing.T, s *stage) {
	v := newVisitor(t)
	v.goesIn(s.page)
	for what, pass := range badPasses(t, sale, v.passOf(s.shop, sale)) {
		outsider := newVisitor(t)
		if got := outsider.ask("GET", s.page, "Cookie", "penstock_pass_"+sale+"="+pass); got.StatusCode != http.StatusSeeOther || !strings.HasPrefix(got.leadsTo(), s.roomPage()) {
			t.Errorf("a pass %s in the cookie: %d to %q", what, got.StatusCode, got.leadsTo())
		}
		if got := outsider.open(s.page + "&penstock_pass=" + pass); got.isShop() || len(got.Cookies()) > 0 {
			t.Errorf("a pass %s in the address: %d %v", what, got.StatusCode, got.Header)
		}
	}
}

func passInTheAddress(t *testing.T, s *stage) {
	s.room.admin("PATCH", "/"+sale, map[string]any{"handover": "pass"})
	defer s.room.admin("PATCH", "/"+sale, map[string]any{"handover": "code"})
	v := newVisitor(t)
	var brought string
	testenv.Eventually(t, startLimit, "the change is known", func() bool {
		brought = v.isSentOn(s.roomPage())
		return strings.Contains(brought, "penstock_pass=")
	})
	if got := v.open(brought); got.StatusCode != http.StatusSeeOther || got.leadsTo() != s.page {
		t.Fatalf("%d to %q", got.StatusCode, got.leadsTo())
	}
	if got := v.open(s.page); !got.isShop() {
		t.Fatalf("%d", got.StatusCode)
	}
}

func programs(t *testing.T, s *stage) {
	v := newVisitor(t)
	for _, got := range []page{v.ask("POST", s.page), v.ask("GET", s.page, "Sec-Fetch-Mode", "cors"), v.ask("DELETE", s.page+"&penstock_code=x")} {
		if got.StatusCode != http.StatusUnauthorized || got.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(got.text, "pass_required") {
			t.Errorf("%d %v %s", got.StatusCode, got.Header, got.text)
		}
	}
	v.goesIn(s.page)
	if got := v.ask("POST", s.page); !got.isShop() {
		t.Errorf("with a pass: %d", got.StatusCode)
	}
}

func online(t *testing.T, s *stage) {
	strict := s.openShop("PENSTOCK_ONLINE=1")
	v := newVisitor(t)
	v.goesIn(s.page)
	pass := v.passOf(s.shop, sale)
	cookie := []string{"Cookie", "penstock_pass_" + sale + "=" + pass}
	other := newVisitor(t)
	if got := other.ask("GET", strict, cookie...); !got.isShop() {
		t.Fatalf("%d %s", got.StatusCode, got.text)
	}
	if got := other.ask("DELETE", s.room.url+"/v1/sales/"+sale+"/pass", "Penstock-Pass", pass); got.StatusCode != http.StatusNoContent {
		t.Fatalf("give back: %d %s", got.StatusCode, got.text)
	}
	if got := other.ask("GET", strict, cookie...); got.isShop() {
		t.Error("the online check lets a pass in that was given back")
	}
	if got := other.ask("GET", s.page, cookie...); !got.isShop() {
		t.Errorf("offline a pass is good until it expires: %d", got.StatusCode)
	}
}

func tied(t *testing.T, s *stage) {
	setBinding := func(to string) {
		s.room.admin("PATCH", "/"+sale, map[string]any{"admission": map[string]any{"pass_binding": to}})
	}
	setBinding("network")
	defer setBinding("none")
	strict := s.openShop("PENSTOCK_ONLINE=1")
	v := newVisitor(t)
	v.goesIn(s.page)
	cookie := "penstock_pass_" + sale + "=" + v.passOf(s.shop, sale)
	visits := func(headers ...string) page {
		return newVisitor(t).ask("GET", strict, append(headers, "Cookie", cookie)...)
	}
	testenv.Eventually(t, startLimit, "the pass is good in the network in which it was claimed alone", func() bool {
		return visits().isShop() && !visits("X-Forwarded-For", "198.51.100.7").isShop()
	})
	if got := visits(); !got.isShop() {
		t.Errorf("in its own network: %d", got.StatusCode)
	}
}

func openSale(t *testing.T, s *stage) {
	setMode := func(mode string) {
		s.room.admin("PATCH", "/"+sale, map[string]any{"admission": map[string]any{"mode": mode}})
	}
	setMode("open")
	testenv.Eventually(t, startLimit, "nobody needs a pass", func() bool { return newVisitor(t).open(s.page).isShop() })
	setMode("queue")
	testenv.Eventually(t, startLimit, "everybody needs a pass", func() bool { return !newVisitor(t).open(s.page).isShop() })
}

func rotation(t *testing.T, s *stage) {
	inside := newVisitor(t)
	inside.goesIn(s.page)
	s.room.close()
	s.room.serve("PENSTOCK_SECRET="+secondSecret, "PENSTOCK_PREVIOUS_SECRETS="+firstSecret)
	testenv.Eventually(t, startLimit, "the sale is open", func() bool { return answers(s.room.url+"/v1/sales/"+sale, http.StatusOK) })
	if got := inside.open(s.page); !got.isShop() {
		t.Fatalf("a visitor who was inside gets %d to %q", got.StatusCode, got.leadsTo())
	}
	if got := newVisitor(t).goesIn(s.page); !got.isShop() {
		t.Fatalf("a new visitor gets %d", got.StatusCode)
	}
}

func away(t *testing.T, s *stage) {
	inside, waiting := newVisitor(t), newVisitor(t)
	inside.goesIn(s.page)
	brought := waiting.isSentOn(s.roomPage())
	s.room.close()
	if got := inside.open(s.page); !got.isShop() {
		t.Errorf("inside: %d", got.StatusCode)
	}
	got := waiting.open(brought)
	if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
		t.Errorf("with a code: %d to %q", got.StatusCode, got.leadsTo())
	}
	if got := newVisitor(t).open(s.page); got.StatusCode != http.StatusSeeOther {
		t.Errorf("a newcomer: %d", got.StatusCode)
	}
	strict := s.openShop("PENSTOCK_ONLINE=1")
	pass := inside.passOf(s.shop, sale)
	begin := time.Now()
	if got := newVisitor(t).ask("GET", strict, "Cookie", "penstock_pass_"+sale+"="+pass); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("with the online check: %d", got.StatusCode)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
