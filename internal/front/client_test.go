package front

import (
	"strings"
	"testing"
)

// maxClientBytes is how large the browser client may be, minified and not compressed.
const maxClientBytes = 5000

// Pages of any origin load the client, as a script and as a module; the latter needs CORS.
func TestTheBrowserClientIsServedToPagesOfAnyOriginAndIsSmall(t *testing.T) {
	s := newStack(t)
	for _, name := range []string{"client.js", "client.mjs"} {
		got := s.expect(200, "", "GET", "/sales/static/"+name, header{"Origin": "https://www.shop.example"}, "")
		for field, want := range map[string]string{
			"Content-Type":                "text/javascript; charset=utf-8",
			"Cache-Control":               "public, max-age=3600",
			"Access-Control-Allow-Origin": "*",
			"X-Content-Type-Options":      "nosniff",
		} {
			if got.Header.Get(field) != want {
				t.Errorf("%s: %s is %q, want %q", name, field, got.Header.Get(field), want)
			}
		}
		if len(got.body) > maxClientBytes {
			t.Errorf("%s has %d bytes, more than %d", name, len(got.body), maxClientBytes)
		}
		if !strings.Contains(string(got.body), "Idempotency-Key") {
			t.Errorf("%s is not the client: %s", name, got.body)
		}
	}
}

// A page counts time by the front's clock, and obeys Retry-After.
func TestPagesOfAllowedOriginsReadWhenAndHowToComeBack(t *testing.T) {
	s := newStack(t, allowShop)
	got := s.expect(404, "unknown_sale", "POST", "/v1/sales/none/tickets", header{"Origin": "https://www.shop.example"}, "")
	for _, name := range []string{"Date", "Retry-After", "Penstock-Holder"} {
		if !strings.Contains(got.Header.Get("Access-Control-Expose-Headers"), name) {
			t.Errorf("exposed are %q, without %s", got.Header.Get("Access-Control-Expose-Headers"), name)
		}
	}
	if got.Header.Get("Date") == "" {
		t.Error("the answer has no Date")
	}
}
