package penstock

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Parameters that the waiting room adds to the address.
const (
	codeParameter = "penstock_code"
	passParameter = "penstock_pass"
)

var tokenForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// mayBeToken reports whether a text is made as codes and passes are. Nothing else is asked about.
func mayBeToken(text string) bool { return len(text) <= maxTokenBytes && tokenForm.MatchString(text) }

// brought is what a visitor brought from the waiting room.
type brought struct {
	code, pass string
	wrong      bool // something of this name is there that cannot be a code or a pass
}

func (b brought) something() bool { return b.code != "" || b.pass != "" || b.wrong }

// broughtBy reads the address of a page. A HEAD request uses no code up: the GET that follows needs it.
func broughtBy(r *http.Request) brought {
	if r.Method != http.MethodGet || r.URL.RawQuery == "" {
		return brought{}
	}
	query := r.URL.Query()
	b := brought{code: query.Get(codeParameter), pass: query.Get(passParameter)}
	if b.code != "" && !mayBeToken(b.code) {
		b.code, b.wrong = "", true
	}
	if b.pass != "" && !mayBeToken(b.pass) {
		b.pass, b.wrong = "", true
	}
	return b
}

// address is where the visitor is, without what the waiting room added. It is absolute: a path that begins
// with two slashes would lead to another host.
func (g *Gate) address(r *http.Request) string {
	shop := g.shop
	if shop == "" {
		scheme := "http"
		if g.overTLS(r) {
			scheme = "https"
		}
		shop = scheme + "://" + r.Host
	}
	address := shop + r.URL.EscapedPath()
	if query := withoutOurs(r.URL.RawQuery); query != "" {
		address += "?" + query
	}
	return address
}

// withoutOurs leaves the other parameters of a query as they are written.
func withoutOurs(query string) string {
	var kept []string
	for _, part := range strings.Split(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		if part != "" && name != codeParameter && name != passParameter {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

// overTLS reports whether the visitor's own connection is encrypted. Who forges the header makes only
// their own cookie stricter.
func (g *Gate) overTLS(r *http.Request) bool {
	if g.shop != "" {
		return strings.HasPrefix(g.shop, "https:")
	}
	proto, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	return r.TLS != nil || strings.TrimSpace(proto) == "https"
}

func (g *Gate) setCookie(w http.ResponseWriter, r *http.Request, pass Pass) {
	http.SetCookie(w, &http.Cookie{
		Name: g.CookieName, Value: pass.Token, Path: "/", MaxAge: max(1, int(pass.ExpiresAt.Sub(g.now())/time.Second)),
		HttpOnly: true, Secure: g.overTLS(r), SameSite: http.SameSiteLaxMode,
	})
}

// refuse sends a person to the waiting room, and tells a program.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request) {
	room := g.room + "/sales/" + g.Sale
	if navigates(r) {
		seeOther(w, room+"?return="+url.QueryEscape(g.address(r)))
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusUnauthorized)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the visitor may be gone
		"type": "urn:penstock:problem:pass_required", "title": "A pass from the waiting room is required",
		"status": http.StatusUnauthorized, "code": "pass_required", "waiting_room": room,
	})
}

// navigates reports whether a browser asks for a page to show. A script could not follow to another host.
func navigates(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (mode == "" || mode == "navigate")
}

// seeOther sends a browser on. The address that it leaves may hold a code, which is nobody else's business.
func seeOther(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusSeeOther)
}
