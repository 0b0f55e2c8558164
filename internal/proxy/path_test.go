package proxy

import (
	"errors"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
)

// protecting is a set of rules with an exception in front and one behind, as shops write them.
func protecting(t testing.TB) []rule {
	t.Helper()
	sites, err := parseSites([]byte(`
sites:
  - hosts: ["*"]
    upstream: {servers: ["http://127.0.0.1:1"]}
    rules:
      - {path: /checkout/help, open: true}
      - {path: /checkout, sale: spring}
      - {glob: "/*/cart", sale: spring}
      - {path: /account, methods: [POST], sale: spring}
      - {path: /kasse/schnell, sale: summer}
`), Limits{MaxBodyBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	return sites.any.rules
}

// decided tells what becomes of a GET: "open", the sale that protects it, or "refused".
func decided(t testing.TB, rules []rule, sent string) string {
	t.Helper()
	got, err := decide(rules, &head{method: []byte("GET"), path: []byte(sent)})
	switch {
	case errors.Is(err, problem.BadRequest):
		return "refused"
	case err != nil:
		t.Fatal(err)
	case got == nil:
		return "open"
	}
	return got.sale
}

func TestNoSpellingOfAPathLeadsRoundARule(t *testing.T) {
	rules := protecting(t)
	for sent, want := range map[string]string{
		"/":                              "open",
		"/shoes":                         "open",
		"/checkou":                       "open",
		"/checkout":                      "spring",
		"/checkout/":                     "spring",
		"/checkout/pay":                  "spring",
		"/checkout.json":                 "spring",
		"/checkouts":                     "spring",
		"/CheckOut":                      "spring",
		"/checkout;a=b":                  "spring",
		"/checkout;/pay":                 "spring",
		"/;x/checkout":                   "spring",
		"/%63heckout":                    "spring",
		"/check%6Fut/pay":                "spring",
		"/%2563heckout":                  "spring", // some servers decode twice
		"/%252563heckout":                "refused",
		"//checkout":                     "spring",
		"/./checkout":                    "spring",
		"/a/../checkout":                 "spring",
		"/a/%2e%2e/checkout":             "spring",
		"/a/%252e%252e/checkout":         "spring",
		"/a/..;x=1/checkout":             "spring",
		"/a/..;/checkout":                "spring",
		"/checkout/help/..;/pay":         "spring",
		"/checkout/help/../pay":          "spring",
		"/checkout/help/%2e%2e/pay":      "spring",
		"/checkout/help":                 "open",
		"/checkout/help/faq":             "open",
		"/checkout/helpdesk":             "spring", // an exception is no wider than it says
		"/Checkout/Help":                 "spring", // nor in another case of letters
		"/checkout/help;x":               "spring", // nor under a name that some servers may read differently
		"/checkout?":                     "spring",
		"/checkout%3fx":                  "spring",
		"/a%3f/../checkout":              "spring",
		"/checkout%23":                   "spring",
		"/checkout/..":                   "spring", // some servers do not resolve dots
		"/checkout//../pay":              "spring", // some do not merge slashes before
		"/checkout/help%3f/../../../pay": "spring",
		"/checkout.":                     "spring",
		"/checkout%20":                   "spring",
		"/checkout%20/pay":               "spring",
		"/kasse%20/schnell":              "summer",
		"/kasse./schnell":                "summer",
		"/kasse;x/schnell":               "summer",
		"/de/cart":                       "spring",
		"/de/cart/add":                   "spring",
		"/de/cart.json":                  "spring",
		"/de/../../x/cart":               "spring",
		"/de/x/cart":                     "open",
		"/account":                       "open",
		`/\checkout`:                     "refused",
		"/a%5c..%5ccheckout":             "refused",
		"/a%2fcheckout":                  "refused",
		"/a%2Fcheckout":                  "refused",
		"/a%252fcheckout":                "refused",
		"/checkout%00":                   "refused",
		"/x%0acheckout":                  "refused",
		"/x%":                            "refused",
		"/x%4":                           "refused",
		"/x%zz":                          "refused",
		"/x%u0063":                       "refused",
		"/a/%c0%ae%c0%ae/checkout":       "refused",
		"/a/%e0%80%ae/checkout":          "refused",
		"/a/.../checkout":                "refused",
		"/a/..%20/checkout":              "refused",
		"/price/100%25":                  "open",
		"/caf%C3%A9":                     "open",
	} {
		sent, _, _ = strings.Cut(sent, "?")
		if got := decided(t, rules, sent); got != want {
			t.Errorf("%s: %s, want %s", sent, got, want)
		}
	}
}

// Whoever may see what one sale protects, be it that this one is in shadow mode or open, gets nowhere else by it.
func TestAPathThatMayLeadToSeveralSalesIsRefused(t *testing.T) {
	rules := protecting(t)
	for sent, want := range map[string]string{
		"/checkout/../kasse/schnell":         "refused",
		"/checkout/%2e%2e/kasse/schnell":     "refused",
		"/checkout/..;/kasse/schnell":        "refused",
		"/checkout/.//../kasse/schnell":      "refused",
		"/checkout/%252e%252e/kasse/schnell": "refused",
		"/kasse/schnell/../../checkout":      "refused",
		"/kasse/schnell/../../shoes":         "summer",
		"/shoes/../kasse/schnell":            "summer",
		"/kasse//schnell":                    "summer",
		"/checkout/../shoes/cart":            "spring",
	} {
		if got := decided(t, rules, sent); got != want {
			t.Errorf("%s: %s, want %s", sent, got, want)
		}
	}
}

func TestARequestThatMayMeanAnotherMethodOrHeaderGetsPastNoOtherSale(t *testing.T) {
	rules := []rule{
		{pattern: pattern{prefix: "/cart"}, methods: []string{"DELETE"}, sale: "spring"},
		{pattern: pattern{prefix: "/cart"}, headers: []condition{{name: "X-Beta", value: "*"}}, sale: "spring"},
		{pattern: pattern{prefix: "/cart"}, sale: "summer"},
	}
	for name, row := range map[string]struct{ request, want string }{
		"its own method":                   {"DELETE /cart HTTP/1.1\nHost: a", "spring"},
		"its own header":                   {"GET /cart HTTP/1.1\nHost: a\nX-Beta: 1", "spring"},
		"another method":                   {"GET /cart HTTP/1.1\nHost: a", "summer"},
		"a form that may mean that method": {"POST /cart HTTP/1.1\nHost: a", "refused"},
		"a header that may mean it":        {"GET /cart HTTP/1.1\nHost: a\nX-HTTP-Method-Override: DELETE", "refused"},
		"a header with an underscore":      {"GET /cart HTTP/1.1\nHost: a\nX_Beta: 1", "refused"},
	} {
		got, err := decide(rules, headOf(t, row.request))
		switch {
		case errors.Is(err, problem.BadRequest) && row.want == "refused":
		case err != nil || got == nil || got.sale != row.want:
			t.Errorf("%s: %+v, %v; want %s", name, got, err, row.want)
		}
	}
}

func TestOfTheRulesThatAPathMayMeanTheOneThatFailsClosedCounts(t *testing.T) {
	rules := []rule{
		{pattern: pattern{prefix: "/soft"}, sale: "spring", failOpen: true},
		{pattern: pattern{prefix: "/hard"}, sale: "spring"},
	}
	got, err := decide(rules, &head{method: []byte("GET"), path: []byte("/soft/../hard")})
	if err != nil || got == nil || got.failOpen {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestWhereNothingIsProtectedAnyPathPasses(t *testing.T) {
	for _, sent := range []string{`/\`, "/%2f", "/%zz", "/..;/"} {
		if got := decided(t, nil, sent); got != "open" {
			t.Errorf("%s: %s", sent, got)
		}
	}
}

func TestARuleForAMethodCoversWhatStandsForIt(t *testing.T) {
	rules := []rule{{sale: "spring", methods: []string{"DELETE"}}}
	open := []rule{{methods: []string{"GET"}}, {sale: "spring"}}
	for _, row := range []struct {
		rules  []rule
		method string
		header string
		want   bool // protected
	}{
		{rules, "DELETE", "", true}, {rules, "GET", "", false}, {rules, "POST", "", true},
		{rules, "GET", "X-HTTP-Method-Override", true}, {rules, "GET", "X_HTTP_Method_Override", true},
		{open, "GET", "", false}, {open, "HEAD", "", true}, {open, "POST", "", true}, {open, "GET", "X-Method-Override", true},
	} {
		h := &head{method: []byte(row.method), path: []byte("/x")}
		if row.header != "" {
			h.fields = []field{{name: []byte(row.header), value: []byte("DELETE")}}
		}
		got, err := decide(row.rules, h)
		if err != nil || (got != nil) != row.want {
			t.Errorf("%s %s: %v %v, want protected: %v", row.method, row.header, got, err, row.want)
		}
	}
}

func TestARuleMayAskForHeadersAndCookies(t *testing.T) {
	beta := []condition{{name: "beta", value: "1"}}
	app := []condition{{name: "X-App", value: "*"}}
	request := func(lines ...string) *head {
		h := &head{}
		if err := h.parse([]byte("GET /x HTTP/1.1\r\nHost: a\r\n" + strings.Join(append(lines, "", ""), "\r\n"))); err != nil {
			t.Fatal(err)
		}
		return h
	}
	for name, row := range map[string]struct {
		rules []rule
		h     *head
		want  bool
	}{
		"cookie":                    {[]rule{{sale: "s", cookies: beta}}, request("Cookie: a=b; beta=1"), true},
		"another value":             {[]rule{{sale: "s", cookies: beta}}, request("Cookie: beta=2"), false},
		"no cookie":                 {[]rule{{sale: "s", cookies: beta}}, request(), false},
		"header":                    {[]rule{{sale: "s", headers: app}}, request("x-app: ios"), true},
		"no header":                 {[]rule{{sale: "s", headers: app}}, request(), false},
		"opened by a cookie":        {[]rule{{cookies: beta}, {sale: "s"}}, request("Cookie: beta=1"), false},
		"opened by one of two":      {[]rule{{cookies: beta}, {sale: "s"}}, request("Cookie: beta=1; beta=2"), true},
		"opened by a header":        {[]rule{{headers: app}, {sale: "s"}}, request("X-App: ios"), false},
		"not opened without header": {[]rule{{headers: app}, {sale: "s"}}, request(), true},
	} {
		got, err := decide(row.rules, row.h)
		if err != nil || (got != nil) != row.want {
			t.Errorf("%s: protected %v, want %v", name, got != nil, row.want)
		}
	}
}

// spell writes a path in another way that servers may understand as the same.
func spell(t *rapid.T, plain string) string {
	var out strings.Builder
	for i := range len(plain) {
		ch := plain[i]
		switch {
		case ch == '/':
			out.WriteString(rapid.SampledFrom([]string{"/", "//", "/./", "/x/../", "/x/%2e%2e/", "/x/..;p/", "/;p/", "/%2e/"}).Draw(t, "slash"))
		case rapid.IntRange(0, 3).Draw(t, "letter") == 0:
			const digits = "0123456789abcdef"
			escape := "%" + string(digits[ch>>4]) + string(digits[ch&15])
			out.WriteString(rapid.SampledFrom([]string{escape, strings.ToUpper(escape), "%25" + escape[1:], strings.ToUpper(string(ch))}).Draw(t, "escape"))
		default:
			out.WriteByte(ch)
		}
		if ch != '/' && (i+1 == len(plain) || plain[i+1] == '/') {
			out.WriteString(rapid.SampledFrom([]string{"", "", ";p=1", ".", "%20"}).Draw(t, "end"))
		}
	}
	return out.String()
}

func TestAProtectedPathIsProtectedInEachSpelling(t *testing.T) {
	rules := protecting(t)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SampledFrom([]string{"/checkout", "/checkout/pay", "/de/cart", "/kasse/schnell/jetzt"}).Draw(t, "path")
		sent := spell(t, plain)
		got, err := decide(rules, &head{method: []byte("GET"), path: []byte(sent)})
		if err == nil && got == nil {
			t.Fatalf("%s is open as %s", plain, sent)
		}
	})
}

// servers are ways in which real servers clean a path.
func servers() map[string]func(string) string {
	decode := func(p string) string {
		if decoded, err := url.PathUnescape(p); err == nil {
			return decoded
		}
		return p
	}
	cut := func(p string) string {
		parts := strings.Split(p, "/")
		for i := range parts {
			parts[i], _, _ = strings.Cut(parts[i], ";")
		}
		return strings.Join(parts, "/")
	}
	return map[string]func(string) string{
		"literal":       func(p string) string { return p },
		"decoded":       func(p string) string { return path.Clean("/" + decode(p)) },
		"decoded twice": func(p string) string { return path.Clean("/" + decode(decode(p))) },
		"dots alone": func(p string) string {
			u, _ := url.Parse("http://h/")
			return u.ResolveReference(&url.URL{Path: decode(p)}).Path
		},
		"parameters cut":     func(p string) string { return path.Clean("/" + decode(cut(p))) },
		"cut after decoding": func(p string) string { return path.Clean("/" + cut(decode(p))) },
		"backslashes":        func(p string) string { return path.Clean("/" + strings.ReplaceAll(decode(p), `\`, "/")) },
		"without case":       func(p string) string { return strings.ToLower(path.Clean("/" + decode(p))) },
	}
}

// FuzzPath sends any path at all: what a server takes for the checkout is protected or refused.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/checkout", "/a/..;/checkout", "/%63heckout", "/a%2f..%2fcheckout", "/checkout%3f/../help", "/CHECKOUT", "//checkout/./help/../x"} {
		f.Add(seed)
	}
	rules := []rule{{pattern: pattern{prefix: "/checkout/help"}}, {pattern: pattern{prefix: "/checkout"}, sale: "spring"}}
	all := servers()
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	f.Fuzz(func(t *testing.T, sent string) {
		var h head
		if !strings.HasPrefix(sent, "/") || h.parseTarget([]byte(sent)) != nil {
			return
		}
		h.method = []byte("GET")
		got, err := decide(rules, &h)
		if err != nil || got != nil {
			return
		}
		for _, name := range names {
			seen := all[name](string(h.path))
			covered := seen == "/checkout" || strings.HasPrefix(seen, "/checkout/")
			helped := seen == "/checkout/help" || strings.HasPrefix(seen, "/checkout/help/")
			if covered && !helped {
				t.Fatalf("%q is open, and a server (%s) takes it for %q", sent, name, seen)
			}
		}
	})
}
