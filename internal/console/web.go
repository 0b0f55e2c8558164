package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
)

const (
	cookieName = "penstock_console"
	// maxForm bounds a posted form; the largest is a sale of a hundred items.
	maxForm = 256 << 10
)

// visit is one request of a signed-in browser.
type visit struct {
	auth.Session
	caller caller
}

// web finds the session, checks the role, for a form also its origin and its token, and shows an
// error as a page.
func (c *Console) web(route webRoute) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := c.enter(r)
		if errors.Is(err, problem.Unauthorized) {
			c.askToSignIn(w, r)
			return
		}
		if err == nil && !in.May(route.role) {
			err = needs(route.role)
		}
		if err == nil && r.Method == http.MethodPost {
			err = c.checkForm(w, r, in.Session)
		}
		if err == nil {
			err = c.runWeb(w, r, route, in)
		}
		if err != nil {
			c.errorPage(w, r, in, err)
		}
	})
}

func (c *Console) runWeb(w http.ResponseWriter, r *http.Request, route webRoute, in visit) error {
	if route.endless {
		return route.handle(w, r, in)
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	return route.handle(w, r.WithContext(ctx), in)
}

func (c *Console) enter(r *http.Request) (visit, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return visit{}, problem.Unauthorized
	}
	session, err := c.sessions.Open(r.Context(), cookie.Value)
	if err != nil {
		return visit{}, err
	}
	return visit{Session: session, caller: caller{Identity: session.Identity, IP: remoteIP(r)}}, nil
}

// askToSignIn sends a person to the form and brings them back afterwards. A script of the page is
// told in its own language.
func (c *Console) askToSignIn(w http.ResponseWriter, r *http.Request) {
	if !wantsPage(r) && r.Method == http.MethodGet {
		c.refuse(w, r, problem.Unauthorized)
		return
	}
	to := "/sign-in"
	if r.Method == http.MethodGet && r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// checkForm reads the form and refuses one that our own page did not send.
func (c *Console) checkForm(w http.ResponseWriter, r *http.Request, session auth.Session) error {
	if err := c.readForm(w, r); err != nil {
		return err
	}
	if !session.ValidCSRF(r.PostForm.Get("csrf")) {
		return problem.With(problem.Forbidden, "this form is out of date: go back, load the page again and repeat the step")
	}
	return nil
}

// readForm refuses what the browser says that another site sent. Nothing is compared with Host: a proxy in
// front may have put a name of its own there. Browsers that say nothing are kept from it by the session: its
// cookie does not come along from another site, and each form of a session has a token.
func (c *Console) readForm(w http.ResponseWriter, r *http.Request) error {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return problem.With(problem.Forbidden, "the form was sent from another site")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return problem.With(problem.BadRequest, "the form cannot be read")
	}
	return nil
}

// localPath returns next if it leads to a page of ours, else the list of sales. Browsers read a
// backslash as a slash and "//host" as another site.
func localPath(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/sales"
	}
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" {
		return "/sales"
	}
	return next
}

func (c *Console) setCookie(w http.ResponseWriter, r *http.Request, value string, maxAge time.Duration) {
	seconds := int(maxAge.Seconds())
	if value == "" {
		seconds = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: isHTTPS(r),
	})
}

// isHTTPS believes a proxy's word: who lies only makes their own cookie stricter.
func isHTTPS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}
