//go:build connectors

package conformance

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/testenv"
)

// visitor is a browser: cookies, and redirects one by one.
type visitor struct {
	t      testing.TB
	client *http.Client
}

func newVisitor(t testing.TB) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t: t, client: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type page struct {
	*http.Response
	text string
}

func (p page) leadsTo() string { return p.Header.Get("Location") }

// ask sends a request, with pairs of names and values as headers.
func (v *visitor) ask(method, address string, headers ...string) page {
	v.t.Helper()
	request, err := http.NewRequestWithContext(v.t.Context(), method, address, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := v.client.Do(request)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return page{Response: response, text: string(text)}
}

func (v *visitor) open(address string) page {
	v.t.Helper()
	return v.ask(http.MethodGet, address)
}

// isSentOn opens the waiting room until it sends the visitor to the shop, and returns where to.
func (v *visitor) isSentOn(roomAddress string) string {
	v.t.Helper()
	var location string
	testenv.Eventually(v.t, startLimit, "the visitor is sent on", func() bool {
		got := v.open(roomAddress)
		if location = got.leadsTo(); strings.HasPrefix(location, "/sales/") { // it sees first whether cookies are kept
			location = v.open(got.Request.URL.Scheme + "://" + got.Request.URL.Host + location).leadsTo()
		}
		return location != ""
	})
	return location
}

// goesIn goes the whole way from the shop over the waiting room back into the shop.
func (v *visitor) goesIn(shop string) page {
	v.t.Helper()
	to := v.open(shop)
	if to.StatusCode != http.StatusSeeOther {
		v.t.Fatalf("without a pass: %d %s", to.StatusCode, to.text)
	}
	back := v.open(v.isSentOn(to.leadsTo()))
	if back.StatusCode != http.StatusSeeOther || strings.Contains(back.leadsTo(), "penstock") {
		v.t.Fatalf("with a code: %d to %q %s", back.StatusCode, back.leadsTo(), back.text)
	}
	return v.open(back.leadsTo())
}

// is reports whether a page is that of the shop.
func (p page) isShop() bool {
	return p.StatusCode == http.StatusOK && strings.Contains(p.text, "Checkout")
}

// passOf returns the pass that the shop has given the visitor.
func (v *visitor) passOf(shop, sale string) string {
	v.t.Helper()
	u, err := url.Parse(shop)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, cookie := range v.client.Jar.Cookies(u) {
		if cookie.Name == "penstock_pass_"+sale {
			return cookie.Value
		}
	}
	v.t.Fatal("the shop has given the visitor no pass")
	return ""
}
