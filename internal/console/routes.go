package console

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/address"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/verify"
)

// requestTimeout bounds what one call may wait for the stores.
const requestTimeout = 15 * time.Second

// caller is who asks, and from where, as the audit trail wants to know it.
type caller struct {
	auth.Identity
	IP string
}

// apiRoute is one call of the admin API. The role is the least that may call it; some acts ask for
// more, depending on the sale's phase.
type apiRoute struct {
	pattern string
	role    auth.Role
	handle  apiHandler
	within  time.Duration
}

type apiHandler func(http.ResponseWriter, *http.Request, caller) error

func call(pattern string, role auth.Role, handle apiHandler) apiRoute {
	return long(pattern, role, handle, requestTimeout)
}

// long is a call that takes its time by nature.
func long(pattern string, role auth.Role, handle apiHandler, within time.Duration) apiRoute {
	return apiRoute{pattern: pattern, role: role, handle: handle, within: within}
}

func (c *Console) apiRoutes() []apiRoute {
	return []apiRoute{
		call("GET /admin/v1/sales", auth.Viewer, c.listSales),
		call("POST /admin/v1/sales", auth.Marketer, c.postSale),
		call("GET /admin/v1/sales/{sale}", auth.Viewer, c.getSale),
		call("PUT /admin/v1/sales/{sale}", auth.Marketer, c.putSale),
		call("PATCH /admin/v1/sales/{sale}", auth.Marketer, c.patchSale),
		call("DELETE /admin/v1/sales/{sale}", auth.Admin, c.deleteSale),
		call("POST /admin/v1/sales/{sale}/pause", auth.Operator, c.postControl(actPause)),
		call("POST /admin/v1/sales/{sale}/resume", auth.Operator, c.postControl(actResume)),
		call("POST /admin/v1/sales/{sale}/end", auth.Operator, c.postControl(actEnd)),
		call("POST /admin/v1/sales/{sale}/release", auth.Operator, c.postRelease),
		call("PUT /admin/v1/sales/{sale}/message", auth.Marketer, c.putMessage),
		call("PATCH /admin/v1/sales/{sale}/items/{sku}/stock", auth.Operator, c.patchStock),
		call("GET /admin/v1/sales/{sale}/stock", auth.Viewer, c.getStock),
		call("POST /admin/v1/sales/{sale}/stock", auth.Operator, c.postStock),
		call("GET /admin/v1/sales/{sale}/invites", auth.Viewer, c.getInvites),
		call("POST /admin/v1/sales/{sale}/invites", auth.Marketer, c.postInvites),
		call("POST /admin/v1/sales/{sale}/invites/new", auth.Marketer, c.postNewInvites),
		call("POST /admin/v1/sales/{sale}/invites/revoke", auth.Marketer, c.postRevokedInvites),
		call("GET /admin/v1/sales/{sale}/stats", auth.Viewer, c.getStats),
		long("GET /admin/v1/sales/{sale}/verify", auth.Viewer, c.getVerify, verify.MaxWait+verifyMargin),
		long("GET /admin/v1/verify", auth.Viewer, c.getVerify, verify.MaxWait+verifyMargin),
		call("GET /admin/v1/sales/{sale}/fairness", auth.Viewer, c.getFairness),
		call("POST /admin/v1/sales/{sale}/draw/shares", auth.Viewer, c.postShare),
		call("GET /admin/v1/sales/{sale}/previews", auth.Viewer, c.getPreviews),
		call("GET /admin/v1/sales/{sale}/shadow", auth.Viewer, c.getShadow),
		call("GET /admin/v1/sales/{sale}/bots", auth.Viewer, c.getBots),
		call("GET /admin/v1/sales/{sale}/notifications", auth.Operator, c.getNotifications),
		long("GET /admin/v1/sales/{sale}/orders", auth.Viewer, c.getOrders, exportTimeout),
		call("GET /admin/v1/sales/{sale}/audit", auth.Viewer, c.getAudit),
		call("GET /admin/v1/audit", auth.Viewer, c.getAudit),
		call("GET /admin/v1/flags", auth.Viewer, c.getFlags),
		call("PUT /admin/v1/flags", auth.Operator, c.putFlags),
		call("GET /admin/v1/preflight", auth.Viewer, c.getPreflight),
		call("GET /admin/v1/keys", auth.Admin, c.listKeys),
		call("POST /admin/v1/keys", auth.Admin, c.postKey),
		call("DELETE /admin/v1/keys/{key}", auth.Admin, c.deleteKey),
		call("GET /admin/v1/dead-letters", auth.Viewer, c.listDeadLetters),
		call("POST /admin/v1/dead-letters/{id}/redrive", auth.Operator, c.postRedrive),
	}
}

// webRoute is one page or form of the web console.
type webRoute struct {
	pattern string
	role    auth.Role
	handle  webHandler
	endless bool // a stream, which bounds itself
}

type webHandler func(http.ResponseWriter, *http.Request, visit) error

func (c *Console) webRoutes() []webRoute {
	return []webRoute{
		{"GET /{$}", auth.Viewer, c.home, false},
		{"POST /sign-out", auth.Viewer, c.signOut, false},
		{"GET /sales", auth.Viewer, c.salesPage, false},
		{"GET /new-sale", auth.Marketer, c.newSalePage, false},
		{"POST /new-sale", auth.Marketer, c.newSaleForm, false},
		{"GET /sales/{sale}", auth.Viewer, c.salePage, false},
		{"GET /sales/{sale}/edit", auth.Marketer, c.editSalePage, false},
		{"POST /sales/{sale}/edit", auth.Marketer, c.editSaleForm, false},
		{"GET /sales/{sale}/live", auth.Viewer, c.liveStream, true},
		{"GET /sales/{sale}/figures", auth.Viewer, c.liveFigures, false},
		{"GET /sales/{sale}/previews", auth.Viewer, c.previewsPage, false},
		{"GET /sales/{sale}/shadow", auth.Viewer, c.shadowPage, false},
		{"POST /sales/{sale}/pause", auth.Operator, c.controlForm(actPause), false},
		{"POST /sales/{sale}/resume", auth.Operator, c.controlForm(actResume), false},
		{"POST /sales/{sale}/end", auth.Operator, c.controlForm(actEnd), false},
		{"POST /sales/{sale}/release", auth.Operator, c.releaseForm, false},
		{"POST /sales/{sale}/message", auth.Marketer, c.messageForm, false},
		{"POST /sales/{sale}/pace", auth.Operator, c.paceForm, false},
		{"POST /sales/{sale}/stock", auth.Operator, c.stockForm, false},
		{"POST /sales/{sale}/stock-file", auth.Operator, c.stockFileForm, false},
		{"GET /sales/{sale}/stock.csv", auth.Viewer, c.stockFile, false},
		{"GET /sales/{sale}/orders.csv", auth.Viewer, c.ordersFile, true},
		{"POST /sales/{sale}/delete", auth.Admin, c.deleteForm, false},
		{"GET /sales/{sale}/invites", auth.Viewer, c.invitesPage, false},
		{"POST /sales/{sale}/invites", auth.Marketer, c.importInvitesForm, false},
		{"POST /sales/{sale}/invites/new", auth.Marketer, c.newInvitesForm, false},
		{"POST /sales/{sale}/invites/revoke", auth.Marketer, c.revokeInvitesForm, false},
		{"GET /preflight", auth.Viewer, c.preflightPage, false},
		{"GET /keys", auth.Admin, c.keysPage, false},
		{"POST /keys", auth.Admin, c.newKeyForm, false},
		{"POST /keys/{key}/delete", auth.Admin, c.endKeyForm, false},
		{"GET /level", auth.Viewer, c.levelPage, false},
		{"POST /level", auth.Operator, c.levelForm, false},
	}
}

func (c *Console) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range c.apiRoutes() {
		mux.Handle(route.pattern, c.api(route))
	}
	for _, route := range c.webRoutes() {
		mux.Handle(route.pattern, c.web(route))
	}
	mux.HandleFunc("GET "+openAPIPath, getOpenAPI)
	mux.HandleFunc("GET /sign-in", c.signInPage)
	mux.HandleFunc("POST /sign-in", c.signInForm)
	mux.Handle("GET /static/", c.static)
	health := Health(c.deps.Metrics, c.deps.Ready)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		mux.Handle("GET "+path, health)
	}
	return mux
}

// api recognises the key, checks the role and turns an error into a problem document.
func (c *Console) api(route apiRoute) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := auth.Bearer(r.Header.Get("Authorization"))
		identity, err := c.door.Authenticate(r.Context(), key, address.Of(r.RemoteAddr), c.deps.Now())
		if err == nil && !identity.May(route.role) {
			err = needs(route.role)
		}
		if err == nil {
			ctx, cancel := context.WithTimeout(r.Context(), route.within)
			defer cancel()
			r = r.WithContext(ctx)
			err = route.handle(w, r, caller{Identity: identity, IP: remoteIP(r)})
		}
		if err != nil {
			c.refuse(w, r, err)
		}
	})
}

func needs(role auth.Role) error {
	return problem.With(problem.Forbidden, "this needs the role "+role.String(), problem.F("required_role", role.String()))
}

func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// nowhere answers for a path or a method that the mux does not know, in the language of the caller.
func (c *Console) nowhere(w http.ResponseWriter, r *http.Request) {
	probe := &statusProbe{header: http.Header{}}
	c.mux.ServeHTTP(probe, r)
	var err error = problem.NotFound
	switch {
	case probe.status == http.StatusMethodNotAllowed:
		w.Header().Set("Allow", probe.header.Get("Allow"))
		err = problem.MethodNotAllowed
	case probe.header.Get("Location") != "": // a path that only needed cleaning
		http.Redirect(w, r, probe.header.Get("Location"), probe.status)
		return
	}
	if wantsPage(r) {
		c.errorPage(w, r, visit{}, err)
		return
	}
	c.refuse(w, r, err)
}

// wantsPage tells a person's browser from a program.
func wantsPage(r *http.Request) bool {
	return !strings.HasPrefix(r.URL.Path, "/admin/") && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// statusProbe learns what the mux would answer without sending it.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }
