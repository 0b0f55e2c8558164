package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/auth"
)

// apiRoles says, apart from the code, which is the least role of each call of the admin API.
var apiRoles = map[string]auth.Role{
	"GET /admin/v1/sales":                            auth.Viewer,
	"POST /admin/v1/sales":                           auth.Marketer,
	"GET /admin/v1/sales/{sale}":                     auth.Viewer,
	"PUT /admin/v1/sales/{sale}":                     auth.Marketer,
	"PATCH /admin/v1/sales/{sale}":                   auth.Marketer,
	"DELETE /admin/v1/sales/{sale}":                  auth.Admin,
	"POST /admin/v1/sales/{sale}/pause":              auth.Operator,
	"POST /admin/v1/sales/{sale}/resume":             auth.Operator,
	"POST /admin/v1/sales/{sale}/end":                auth.Operator,
	"POST /admin/v1/sales/{sale}/release":            auth.Operator,
	"PUT /admin/v1/sales/{sale}/message":             auth.Marketer,
	"PATCH /admin/v1/sales/{sale}/items/{sku}/stock": auth.Operator,
	"GET /admin/v1/sales/{sale}/stock":               auth.Viewer,
	"POST /admin/v1/sales/{sale}/stock":              auth.Operator,
	"GET /admin/v1/sales/{sale}/invites":             auth.Viewer,
	"POST /admin/v1/sales/{sale}/invites":            auth.Marketer,
	"POST /admin/v1/sales/{sale}/invites/new":        auth.Marketer,
	"POST /admin/v1/sales/{sale}/invites/revoke":     auth.Marketer,
	"GET /admin/v1/sales/{sale}/stats":               auth.Viewer,
	"GET /admin/v1/sales/{sale}/verify":              auth.Viewer,
	"GET /admin/v1/sales/{sale}/previews":            auth.Viewer,
	"GET /admin/v1/sales/{sale}/shadow":              auth.Viewer,
	"GET /admin/v1/sales/{sale}/bots":                auth.Viewer,
	"GET /admin/v1/sales/{sale}/fairness":            auth.Viewer,
	"GET /admin/v1/sales/{sale}/notifications":       auth.Operator,
	"POST /admin/v1/sales/{sale}/draw/shares":        auth.Viewer,
	"GET /admin/v1/verify":                           auth.Viewer,
	"GET /admin/v1/sales/{sale}/orders":              auth.Viewer,
	"GET /admin/v1/sales/{sale}/audit":               auth.Viewer,
	"GET /admin/v1/audit":                            auth.Viewer,
	"GET /admin/v1/flags":                            auth.Viewer,
	"PUT /admin/v1/flags":                            auth.Operator,
	"GET /admin/v1/preflight":                        auth.Viewer,
	"GET /admin/v1/keys":                             auth.Admin,
	"POST /admin/v1/keys":                            auth.Admin,
	"DELETE /admin/v1/keys/{key}":                    auth.Admin,
	"GET /admin/v1/dead-letters":                     auth.Viewer,
	"POST /admin/v1/dead-letters/{id}/redrive":       auth.Operator,
}

// webRoles says the same of the pages.
var webRoles = map[string]auth.Role{
	"GET /{$}":                          auth.Viewer,
	"POST /sign-out":                    auth.Viewer,
	"GET /sales":                        auth.Viewer,
	"GET /new-sale":                     auth.Marketer,
	"POST /new-sale":                    auth.Marketer,
	"GET /sales/{sale}":                 auth.Viewer,
	"GET /sales/{sale}/edit":            auth.Marketer,
	"POST /sales/{sale}/edit":           auth.Marketer,
	"GET /sales/{sale}/live":            auth.Viewer,
	"GET /sales/{sale}/figures":         auth.Viewer,
	"GET /sales/{sale}/shadow":          auth.Viewer,
	"POST /sales/{sale}/pause":          auth.Operator,
	"POST /sales/{sale}/resume":         auth.Operator,
	"POST /sales/{sale}/end":            auth.Operator,
	"POST /sales/{sale}/release":        auth.Operator,
	"POST /sales/{sale}/message":        auth.Marketer,
	"POST /sales/{sale}/pace":           auth.Operator,
	"POST /sales/{sale}/stock":          auth.Operator,
	"POST /sales/{sale}/stock-file":     auth.Operator,
	"GET /sales/{sale}/stock.csv":       auth.Viewer,
	"GET /sales/{sale}/orders.csv":      auth.Viewer,
	"POST /sales/{sale}/delete":         auth.Admin,
	"GET /sales/{sale}/invites":         auth.Viewer,
	"POST /sales/{sale}/invites":        auth.Marketer,
	"POST /sales/{sale}/invites/new":    auth.Marketer,
	"POST /sales/{sale}/invites/revoke": auth.Marketer,
	"GET /keys":                         auth.Admin,
	"POST /keys":                        auth.Admin,
	"POST /keys/{key}/delete":           auth.Admin,
	"GET /level":                        auth.Viewer,
	"POST /level":                       auth.Operator,
	"GET /preflight":                    auth.Viewer,
	"GET /sales/{sale}/previews":        auth.Viewer,
}

var allRoles = []auth.Role{auth.Viewer, auth.Marketer, auth.Operator, auth.Admin, auth.Shop}

// concrete fills in a route's path with names that do not exist.
func concrete(pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.NewReplacer("{sale}", "none", "{sku}", "A", "{key}", "key_none", "{id}", "dl_none", "{$}", "").Replace(path)
}

func TestEveryCallAsksForItsRole(t *testing.T) {
	s := newStage(t)
	routes := s.console.apiRoutes()
	if len(routes) != len(apiRoles) {
		t.Fatalf("%d calls, %d in the table", len(routes), len(apiRoles))
	}
	s.do("GET", "/admin/v1/sales", "pk_wrong", "").refused(http.StatusUnauthorized, "unauthorized")
	for _, route := range routes {
		least, listed := apiRoles[route.pattern]
		if !listed {
			t.Fatalf("%s is not in the table", route.pattern)
		}
		method, path := concrete(route.pattern)
		s.do(method, path, "", "").refused(http.StatusUnauthorized, "unauthorized")
		for _, role := range allRoles {
			a := s.do(method, path, s.key(role), "")
			may := role != auth.Shop && role >= least
			if refused := a.status == http.StatusForbidden; refused == may || a.status == http.StatusUnauthorized || a.status >= 500 {
				t.Errorf("%s as %s: %d %s", route.pattern, role, a.status, a.body)
			}
		}
	}
}

func TestEveryPageAsksForItsRole(t *testing.T) {
	s := newStage(t)
	routes := s.console.webRoutes()
	if len(routes) != len(webRoles) {
		t.Fatalf("%d pages, %d in the table", len(routes), len(webRoles))
	}
	for _, role := range allRoles[:4] {
		b := s.signedIn(role)
		for _, route := range routes {
			least, listed := webRoles[route.pattern]
			if !listed {
				t.Fatalf("%s is not in the table", route.pattern)
			}
			if route.pattern == "POST /sign-out" {
				continue
			}
			method, path := concrete(route.pattern)
			var a answer
			if method == http.MethodPost {
				a = b.submit(path, url.Values{"level": {"normal"}})
			} else {
				a = b.get(path)
			}
			if refused := a.status == http.StatusForbidden; refused == (role >= least) || a.status >= 500 {
				t.Errorf("%s as %s: %d", route.pattern, role, a.status)
			}
		}
		b.submit("/sign-out", url.Values{}).expect(http.StatusSeeOther)
	}
}

func TestNoPageIsShownToStrangers(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	for pattern := range webRoles {
		method, path := concrete(pattern)
		a := b.get(path)
		if method == http.MethodPost {
			a = b.post(path, url.Values{"csrf": {"x"}})
		}
		a.expect(http.StatusSeeOther)
		if to := a.header.Get("Location"); !strings.HasPrefix(to, "/sign-in") {
			t.Errorf("%s leads to %q", pattern, to)
		}
	}
	s.do("GET", "/sales/none/figures", "", "").refused(401, "unauthorized")
}

func TestWhatNeedsNoKey(t *testing.T) {
	s := newStage(t)
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready", "/metrics": "metrics", "/static/console.css": "color-scheme", "/static/console.js": "EventSource", "/sign-in": "API key", "/admin/v1/openapi.yaml": "openapi: 3.1"} {
		a := s.do("GET", path, "", "")
		a.expect(200)
		a.shows(want)
		if csp := a.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
	s.unready = "stopping"
	a := s.do("GET", "/readyz", "", "")
	a.expect(503)
	a.shows(`"detail":"stopping"`)
	s.do("GET", "/healthz", "", "").expect(200)
}

func TestWhatIsNotThereIsRefusedInTheCallersLanguage(t *testing.T) {
	s := newStage(t)
	s.do("GET", "/admin/v1/webhooks", bootstrapKey, "").refused(404, "not_found")
	s.do("GET", "/static/", "", "").expect(404)
	a := s.do("PUT", "/admin/v1/sales", bootstrapKey, "{}")
	a.refused(405, "method_not_allowed")
	if allow := a.header.Get("Allow"); !strings.Contains(allow, "POST") {
		t.Fatalf("Allow %q", allow)
	}
	b := s.browser()
	page := b.get("/nowhere")
	page.expect(404)
	page.shows("<h1>")
}
