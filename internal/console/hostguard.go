package console

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/penstock/penstock/internal/problem"
)

// hostGuard answers only under names of its own. A foreign page can point a name of its own at this
// listener (DNS rebinding), and what a browser then sends comes from the same origin as that page; but it
// names the foreign host. Addresses cannot be pointed elsewhere. The admin API, which does nothing without a
// key in a header, and probes may be reached under any name.
type hostGuard struct {
	names []string // in small letters, without a port
}

// newHostGuard allows localhost, the given names and addresses of any kind.
func newHostGuard(names []string) hostGuard {
	g := hostGuard{names: []string{"localhost"}}
	for _, name := range names {
		if name = bareName(name); name != "" {
			g.names = append(g.names, name)
		}
	}
	return g
}

// check returns misdirected for a request to a name that is not the console's.
func (g hostGuard) check(r *http.Request) error {
	if strings.HasPrefix(r.URL.Path, "/admin/") || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return nil
	}
	name := bareName(r.Host)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return nil
	}
	if slices.Contains(g.names, name) || strings.HasSuffix(name, ".localhost") {
		return nil
	}
	return problem.With(problem.Misdirected, "the console does not answer under this host name; "+
		"if browsers shall reach it under this name, add the name to PENSTOCK_CONSOLE_HOSTS")
}

// bareName is a host in small letters, without its port.
func bareName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(host)
}

// GuardHost lets a handler answer only under localhost, addresses and the given host names.
func GuardHost(next http.Handler, names []string) http.Handler {
	guard := newHostGuard(names)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := guard.check(r); err != nil {
			doc, _ := problem.Of(err)
			http.Error(w, doc.Title+": "+doc.Detail, doc.Status)
			return
		}
		next.ServeHTTP(w, r)
	})
}
