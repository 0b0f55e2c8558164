package front

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
)

var formPattern = regexp.MustCompile(`name="form" value="([A-Za-z0-9_-]+)"`)

// sendForm sends the form of the page on which a visitor asks to be told.
func (s *stack) sendForm(b *http.Client, path string, fields url.Values, more header) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), "POST", s.url+path, strings.NewReader(fields.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range more {
		request.Header.Set(name, value)
	}
	response, err := b.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	return answer{Response: response, body: readAll(s.t, response)}
}

const notifyPath = "/sales/spring?penstock_notify=1"

// formOf is what the forms of a page have in them.
func formOf(t *testing.T, page answer) string {
	t.Helper()
	found := formPattern.FindSubmatch(page.body)
	if found == nil {
		t.Fatalf("no form in %s", page.body)
	}
	return string(found[1])
}

func TestAVisitorAsksByFormForAnEmailAndTakesItBack(t *testing.T) {
	var kept *ledger.Ledger
	s := newStack(t, withNotify(t, &kept))
	s.open(liveSale("spring", notifying))
	b := s.browser()
	if waiting := s.visit(b, "GET", "/sales/spring"); !strings.Contains(string(waiting.body), `<a href="/sales/spring?penstock_notify=1">Tell me when it is my turn</a>`) {
		t.Fatalf("nothing is offered: %s", waiting.body)
	}
	page := s.getPage(b, "GET", notifyPath)
	for _, want := range []string{`type="email"`, `id="push-on" hidden`, "/sales/static/notify.js?v="} {
		if !strings.Contains(string(page.body), want) {
			t.Errorf("no %q in %s", want, page.body)
		}
	}
	if got := page.Header.Get("Referrer-Policy"); got != "no-referrer" {
		t.Errorf("Referrer-Policy %q", got)
	}
	if strings.Contains(string(page.body), `http-equiv="refresh"`) {
		t.Error("the page loads itself while somebody types")
	}
	form := formOf(t, page)
	sent := s.sendForm(b, notifyPath, url.Values{"form": {form}, "email": {"nobody"}}, nil)
	if to := sent.Header.Get("Location"); sent.StatusCode != 303 || to != "/sales/spring?penstock_notify=bad" {
		t.Fatalf("%d %s", sent.StatusCode, to)
	}
	if bad := s.getPage(b, "GET", "/sales/spring?penstock_notify=bad"); !strings.Contains(string(bad.body), "This is not an e-mail address.") || !strings.Contains(string(bad.body), `aria-invalid="true"`) {
		t.Fatalf("%s", bad.body)
	}
	if sent = s.sendForm(b, notifyPath, url.Values{"form": {form}, "email": {" ada@example.com "}}, nil); sent.StatusCode != 303 || sent.Header.Get("Location") != notifyPath {
		t.Fatalf("%d %v", sent.StatusCode, sent.Header)
	}
	if got := wishesOf(t, kept, "spring"); got["email"] != 1 {
		t.Fatalf("%v", got)
	}
	if on := s.getPage(b, "GET", notifyPath); !strings.Contains(string(on.body), "On: the shop sends you an e-mail.") || strings.Contains(string(on.body), `type="email"`) || strings.Contains(string(on.body), "ada@") {
		t.Fatalf("%s", on.body)
	}
	if waiting := s.getPage(b, "GET", "/sales/spring"); !strings.Contains(string(waiting.body), "You will be told of your turn") {
		t.Fatalf("%s", waiting.body)
	}
	sent = s.sendForm(b, notifyPath, url.Values{"form": {form}, "off": {"1"}}, nil)
	if got := wishesOf(t, kept, "spring"); sent.Header.Get("Location") != "/sales/spring?penstock_notify=off" || len(got) != 0 {
		t.Fatalf("%v %v", sent.Header, got)
	}
	if off := s.getPage(b, "GET", "/sales/spring?penstock_notify=off"); !strings.Contains(string(off.body), "Off: nobody tells you of your turn.") {
		t.Fatalf("%s", off.body)
	}
	if logged := s.logged.String(); strings.Contains(logged, "ada@") {
		t.Error("the log has the address")
	}
}

// Whoever could leave an address in somebody's name would be sent a link to their place.
func TestNoOtherSiteAsksInTheNameOfAVisitor(t *testing.T) {
	var kept *ledger.Ledger
	s := newStack(t, withNotify(t, &kept))
	s.open(liveSale("spring", notifying))
	victim, attacker := s.browser(), s.browser()
	s.visit(victim, "GET", "/sales/spring")
	s.visit(attacker, "GET", "/sales/spring")
	own, theirs := formOf(t, s.getPage(victim, "GET", notifyPath)), formOf(t, s.getPage(attacker, "GET", notifyPath))
	for name, test := range map[string]struct {
		form    string
		headers header
	}{
		"no form": {"", nil}, "a form of another place": {theirs, header{"Sec-Fetch-Site": "same-site"}}, "another site": {own, header{"Sec-Fetch-Site": "cross-site"}},
	} {
		sent := s.sendForm(victim, notifyPath, url.Values{"form": {test.form}, "email": {"eve@example.com"}}, test.headers)
		if got := wishesOf(t, kept, "spring"); sent.StatusCode != 303 || len(got) != 0 {
			t.Errorf("%s: %d, %v", name, sent.StatusCode, got)
		}
	}
}

func TestNothingIsOfferedThatTheSaleDoesNotHave(t *testing.T) {
	var kept *ledger.Ledger
	s := newStack(t, withNotify(t, &kept))
	s.open(liveSale("spring", func(o *sale.Sale) { notifying(o); o.Notify.WebPush = false }))
	b := s.browser()
	s.visit(b, "GET", "/sales/spring")
	if page := string(s.getPage(b, "GET", notifyPath).body); !strings.Contains(page, `type="email"`) || strings.Contains(page, "notify.js") || strings.Contains(page, "push-on") {
		t.Errorf("%s", page)
	}
	bare := newStack(t)
	bare.open(liveSale("spring", notifying))
	b = bare.browser()
	if page := string(bare.visit(b, "GET", "/sales/spring").body); strings.Contains(page, "penstock_notify") {
		t.Errorf("%s", page)
	}
	if page := string(bare.getPage(b, "GET", notifyPath).body); !strings.Contains(page, "You are early") {
		t.Errorf("%s", page)
	}
}
