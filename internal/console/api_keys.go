package console

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const maxKeyName = 100

// keyView is an API key without its secret, which only its maker sees, once.
type keyView struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	Channels  []string  `json:"channels,omitempty"`
	Key       string    `json:"key,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

func viewKey(k ledger.Key) keyView {
	return keyView{ID: k.ID, Name: k.Name, Role: k.Role, Channels: k.Channels, CreatedAt: time.UnixMilli(k.CreatedAtMillis).UTC()}
}

func (c *Console) listKeys(w http.ResponseWriter, r *http.Request, _ caller) error {
	keys, err := c.deps.Ledger.Keys(r.Context())
	if err != nil {
		return err
	}
	views := make([]keyView, len(keys))
	for i, k := range keys {
		views[i] = viewKey(k)
	}
	return writeJSON(w, http.StatusOK, map[string]any{"keys": views})
}

func (c *Console) postKey(w http.ResponseWriter, r *http.Request, who caller) error {
	var body struct {
		Name     string   `json:"name"`
		Role     string   `json:"role"`
		Channels []string `json:"channels"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	role, err := auth.ParseRole(body.Role)
	if err != nil {
		return problem.With(problem.BadRequest, "role: "+err.Error())
	}
	name := strings.TrimSpace(body.Name)
	if !validKeyName(name) {
		return problem.With(problem.BadRequest, "name: want 1 to 100 characters")
	}
	if err := validKeyChannels(role, body.Channels); err != nil {
		return err
	}
	plain, hash := auth.NewKey()
	key := ledger.Key{
		ID: "key_" + strings.ToLower(rand.Text()), Name: name, Role: role.String(), Channels: body.Channels,
		Hash: hash, CreatedAtMillis: c.deps.Now().UnixMilli(),
	}
	if err := c.deps.Ledger.AddKey(r.Context(), key); err != nil {
		return err
	}
	c.record(r.Context(), who, actAddKey, "", keyDetail(key))
	view := viewKey(key)
	view.Key = plain
	w.Header().Set("Location", "/admin/v1/keys/"+key.ID)
	return writeJSON(w, http.StatusCreated, view)
}

// keyDetail is what the audit trail says of a key.
func keyDetail(k ledger.Key) map[string]string {
	detail := map[string]string{"id": k.ID, "name": k.Name, "role": k.Role}
	if len(k.Channels) > 0 {
		detail["channels"] = strings.Join(k.Channels, ",")
	}
	return detail
}

// validKeyChannels checks the channels of sales that a key may sell from beside the default ones.
func validKeyChannels(role auth.Role, channels []string) error {
	switch {
	case len(channels) > 0 && role != auth.Shop:
		return problem.With(problem.BadRequest, "channels: only a key of the role shop has channels")
	case len(channels) > sale.MaxChannels:
		return problem.With(problem.BadRequest, fmt.Sprintf("channels: at most %d", sale.MaxChannels))
	}
	for i, name := range channels {
		if !sale.ValidChannel(name) || slices.Contains(channels[:i], name) {
			return problem.With(problem.BadRequest, "channels: want different names of 1 to 32 of a-z, 0-9, _ and -")
		}
	}
	return nil
}

func validKeyName(name string) bool {
	n := utf8.RuneCountInString(name)
	return n >= 1 && n <= maxKeyName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// deleteKey ends a key: at once on this node, within seconds on the others.
func (c *Console) deleteKey(w http.ResponseWriter, r *http.Request, who caller) error {
	id := r.PathValue("key")
	keys, err := c.deps.Ledger.Keys(r.Context())
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.ID != id {
			continue
		}
		if err := c.deps.Ledger.DeleteKey(r.Context(), id); err != nil {
			return err
		}
		c.deps.Keys.Forget(k.Hash)
		c.record(r.Context(), who, actDropKey, "", keyDetail(k))
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return problem.With(problem.NotFound, "there is no such key")
}
