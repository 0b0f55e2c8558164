package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/address"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
)

type signInView struct {
	Next  string
	Error string
}

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request) {
	if _, err := c.enter(r); err == nil {
		http.Redirect(w, r, "/sales", http.StatusSeeOther)
		return
	}
	c.show(w, r, visit{}, http.StatusOK, "sign_in", "Sign in", signInView{Next: localPath(r.URL.Query().Get("next"))})
}

func (c *Console) signInForm(w http.ResponseWriter, r *http.Request) {
	if err := c.readForm(w, r); err != nil {
		c.errorPage(w, r, visit{}, err)
		return
	}
	next := localPath(r.PostForm.Get("next"))
	token, err := c.signIn(r)
	if err != nil {
		c.refuseSignIn(w, r, next, err)
		return
	}
	c.setCookie(w, r, token, auth.SessionTTL)
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// signIn counts a failure against the address; being unable to ask the ledger is none.
func (c *Console) signIn(r *http.Request) (token string, err error) {
	key := strings.TrimSpace(r.PostForm.Get("key"))
	var session auth.Session
	err = c.door.Try(key, address.Of(r.RemoteAddr), c.deps.Now(), func() (err error) {
		token, session, err = c.sessions.SignIn(r.Context(), key)
		return err
	})
	if errors.Is(err, problem.Unauthorized) || errors.Is(err, problem.Forbidden) {
		c.deps.Log.WarnContext(r.Context(), "a sign-in to the console failed", "address", r.RemoteAddr)
	}
	if err == nil {
		c.deps.Log.InfoContext(r.Context(), "signed in to the console",
			"key", session.KeyID, "role", session.Role.String(), "address", r.RemoteAddr)
	}
	return token, err
}

func (c *Console) refuseSignIn(w http.ResponseWriter, r *http.Request, next string, err error) {
	doc := c.explain(r, err)
	text := doc.Title
	switch doc.Code {
	case problem.Unauthorized:
		text = "This key is not known. Check that you copied all of it."
	case problem.Forbidden:
		text = "This key belongs to a shop's backend and cannot sign in here."
	case problem.RateLimited:
		text = "Too many failed attempts. Wait a minute and try again."
		w.Header().Set("Retry-After", strconv.Itoa(max(1, doc.RetryAfterSeconds)))
	case problem.Unavailable:
		text = "Keys cannot be checked just now, because the ledger does not answer. The bootstrap key still works."
	}
	c.show(w, r, visit{}, doc.Status, "sign_in", "Sign in", signInView{Next: next, Error: text})
}

func (c *Console) home(w http.ResponseWriter, r *http.Request, _ visit) error {
	http.Redirect(w, r, "/sales", http.StatusSeeOther)
	return nil
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request, in visit) error {
	c.sessions.SignOut(in.Session)
	c.setCookie(w, r, "", 0)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
