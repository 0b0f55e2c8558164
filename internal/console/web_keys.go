package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/penstock/penstock/internal/auth"
)

// keysModel is the page of the API keys. Made is the key that was just made: no other page shows it again.
type keysModel struct {
	Keys  []APIKey
	Made  *APIKey
	Form  keyForm
	Fault string
	Done  string
	Roles []keyRole
}

// keyForm is the form of a new key as it was typed.
type keyForm struct{ Name, Role, Channels, Sales string }

// keyRole is a role with what it may do.
type keyRole struct{ Name, Meaning string }

func keyRoles() []keyRole {
	return []keyRole{
		{auth.Shop.String(), "a shop's backend"},
		{auth.Viewer.String(), "looks on, sees no customers"},
		{auth.Marketer.String(), "plans sales"},
		{auth.Operator.String(), "steers running sales"},
		{auth.Admin.String(), "makes keys, deletes sales"},
	}
}

func (c *Console) keysPage(w http.ResponseWriter, r *http.Request, in visit) error {
	return c.showKeys(w, r, in, http.StatusOK, keysModel{Form: keyForm{Role: auth.Shop.String()}, Done: doneText(r.URL.Query().Get("done"))})
}

// newKeyForm makes a key and shows it with the answer to the form itself: it is in no address and no history.
func (c *Console) newKeyForm(w http.ResponseWriter, r *http.Request, in visit) error {
	form := keyForm{
		Name: r.PostForm.Get("name"), Role: r.PostForm.Get("role"),
		Channels: r.PostForm.Get("channels"), Sales: r.PostForm.Get("sales"),
	}
	key, plain, err := c.createKey(r.Context(), in.caller, NewAPIKey{
		Name: form.Name, Role: form.Role, Channels: typedList(form.Channels), Sales: typedList(form.Sales),
	})
	if err != nil {
		return c.showKeys(w, r, in, statusOf(err), keysModel{Form: form, Fault: c.sentence(r, err)})
	}
	made := viewKey(key)
	made.Key = plain
	return c.showKeys(w, r, in, http.StatusCreated, keysModel{Form: keyForm{Role: auth.Shop.String()}, Made: &made})
}

// typedList reads names that somebody has separated by commas or spaces.
func typedList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
}

func (c *Console) endKeyForm(w http.ResponseWriter, r *http.Request, in visit) error {
	key, err := c.endKey(r.Context(), in.caller, r.PathValue("key"))
	if err != nil {
		return err
	}
	to := "/keys?done=key"
	if key.ID == in.KeyID { // whoever ended the own key is signed out
		to = "/sign-in?next=" + url.QueryEscape("/keys")
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (c *Console) showKeys(w http.ResponseWriter, r *http.Request, in visit, status int, m keysModel) (err error) {
	if m.Keys, err = c.keyViews(r.Context()); err != nil {
		return err
	}
	m.Roles = keyRoles()
	c.show(w, r, in, status, "keys", "API keys", m)
	return nil
}
