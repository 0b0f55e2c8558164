package front

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// The page of a sale that names no shop tells until when the pass is good, and prolongs it, with and without JavaScript.
func TestThePageOffersToStayLongerWhereTheSaleAllowsIt(t *testing.T) {
	s := newStack(t)
	const by = 5 * time.Minute
	s.open(liveSale("spring", func(o *sale.Sale) {
		o.TargetURL, o.Admission.Renewal = "", sale.Renewal{By: sale.Duration(by), Max: 1}
	}))
	s.open(liveSale("plain", func(o *sale.Sale) { o.TargetURL = "" }))
	const button = `action="/sales/spring?penstock_renew=1"`
	cookie := func(sale, pass string) header {
		return header{"Cookie": "penstock_pass_" + sale + "=" + pass, "Accept": "text/html"}
	}
	_, unrenewable := s.admitted("plain")
	if page := s.expect(200, "", "GET", "/sales/plain", cookie("plain", unrenewable), ""); strings.Contains(string(page.body), button) || !strings.Contains(string(page.body), "Valid until") {
		t.Fatalf("a sale without renewal: %s", page.body)
	}
	_, pass := s.admitted("spring")
	until := func(pass string) time.Time {
		t.Helper()
		page := s.expect(200, "", "GET", "/sales/spring", cookie("spring", pass), "")
		if !strings.Contains(string(page.body), button) {
			t.Fatalf("no way to stay longer: %s", page.body)
		}
		_, text, _ := strings.Cut(string(page.body), `Valid until</span> <time datetime="`)
		text, _, _ = strings.Cut(text, `"`)
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	before := until(pass)
	foreign := cookie("spring", pass)
	foreign["Sec-Fetch-Site"] = "cross-site"
	if got := s.do("POST", "/sales/spring?penstock_renew=1", foreign, ""); got.Header.Get("Set-Cookie") != "" {
		t.Fatal("the form of another site prolonged the pass")
	}
	renewed := s.expect(303, "", "POST", "/sales/spring?penstock_renew=1&from=mail", cookie("spring", pass), "")
	if to := renewed.Header.Get("Location"); !strings.HasSuffix(to, "/sales/spring?from=mail") {
		t.Fatalf("leads to %s", to)
	}
	name, value, _ := strings.Cut(renewed.Header.Get("Set-Cookie"), "=")
	longer, _, _ := strings.Cut(value, ";")
	if name != "penstock_pass_spring" {
		t.Fatalf("the browser is given %v", renewed.Header)
	}
	if after := until(longer); after.Sub(before) != by {
		t.Fatalf("good until %s, and then until %s", before, after)
	}
	most := s.expect(200, "", "POST", "/sales/spring?penstock_renew=1", cookie("spring", longer), "")
	if strings.Contains(string(most.body), button) || !strings.Contains(string(most.body), "cannot be extended again") {
		t.Fatalf("renewed as often as it may be: %s", most.body)
	}
	s.expect(303, "", "POST", "/sales/spring?penstock_renew=1", header{"Accept": "text/html"}, "")
}
