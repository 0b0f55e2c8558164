package console

import (
	"context"
	"crypto/rand"
	"fmt"
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

const (
	maxKeyName  = 100
	maxKeySales = 100
)

// NewAPIKey is what somebody wants of a new API key, and what the admin API takes for it.
type NewAPIKey struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	Channels []string `json:"channels,omitempty"`
	Sales    []string `json:"sales,omitempty"`
}

// valid checks what is wanted. Code: bad_request.
func (k NewAPIKey) valid() error {
	role, err := auth.ParseRole(k.Role)
	switch {
	case err != nil:
		return problem.With(problem.BadRequest, "role: "+err.Error())
	case !validKeyName(k.Name):
		return problem.With(problem.BadRequest, "name: want 1 to 100 characters")
	}
	err = validKeyList("channels", role, k.Channels, sale.MaxChannels, sale.ValidChannel, "names of 1 to 32 of a-z, 0-9, _ and -")
	if err != nil {
		return err
	}
	return validKeyList("sales", role, k.Sales, maxKeySales, sale.ValidID, "ids of 1 to 64 of a-z, 0-9 and -")
}

// validKeyList checks a list that only a shop's key has.
func validKeyList(field string, role auth.Role, list []string, most int, valid func(string) bool, want string) error {
	switch {
	case len(list) > 0 && role != auth.Shop:
		return problem.With(problem.BadRequest, field+": only a key of the role shop has "+field)
	case len(list) > most:
		return problem.With(problem.BadRequest, fmt.Sprintf("%s: at most %d", field, most))
	}
	for i, name := range list {
		if !valid(name) || slices.Contains(list[:i], name) {
			return problem.With(problem.BadRequest, field+": want different "+want)
		}
	}
	return nil
}

func validKeyName(name string) bool {
	n := utf8.RuneCountInString(name)
	return n >= 1 && n <= maxKeyName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// createKey makes an API key. Plain is the key itself, which is shown to its maker and kept nowhere.
func (c *Console) createKey(ctx context.Context, who caller, want NewAPIKey) (key ledger.Key, plain string, err error) {
	want.Name = strings.TrimSpace(want.Name)
	if err := want.valid(); err != nil {
		return ledger.Key{}, "", err
	}
	plain, hash := auth.NewKey()
	key = ledger.Key{
		ID: "key_" + strings.ToLower(rand.Text()), Name: want.Name, Role: want.Role, Channels: want.Channels, Sales: want.Sales,
		Hash: hash, CreatedAtMillis: c.deps.Now().UnixMilli(), CreatedBy: actorName(who.Identity),
	}
	if err := c.deps.Ledger.AddKey(ctx, key); err != nil {
		return ledger.Key{}, "", err
	}
	c.record(ctx, who, actAddKey, "", keyDetail(key))
	return key, plain, nil
}

// endKey ends a key: at once on this node, within seconds on the others. Code: not_found.
func (c *Console) endKey(ctx context.Context, who caller, id string) (ledger.Key, error) {
	keys, err := c.deps.Ledger.Keys(ctx)
	if err != nil {
		return ledger.Key{}, err
	}
	at := slices.IndexFunc(keys, func(k ledger.Key) bool { return k.ID == id })
	if at < 0 {
		return ledger.Key{}, problem.With(problem.NotFound, "there is no such key")
	}
	if err := c.deps.Ledger.DeleteKey(ctx, id); err != nil {
		return ledger.Key{}, err
	}
	c.deps.Keys.Forget(keys[at].Hash)
	c.record(ctx, who, actDropKey, "", keyDetail(keys[at]))
	return keys[at], nil
}

// keyDetail is what the audit trail says of a key.
func keyDetail(k ledger.Key) map[string]string {
	detail := map[string]string{"id": k.ID, "name": k.Name, "role": k.Role}
	if len(k.Channels) > 0 {
		detail["channels"] = strings.Join(k.Channels, ",")
	}
	if len(k.Sales) > 0 {
		detail["sales"] = strings.Join(k.Sales, ",")
	}
	return detail
}

// APIKey is an API key as the admin API gives it. Key is the secret, which only its maker sees, once.
type APIKey struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Role       string    `json:"role"`
	Channels   []string  `json:"channels,omitempty"`
	Sales      []string  `json:"sales,omitempty"`
	Key        string    `json:"key,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	CreatedBy  string    `json:"created_by,omitempty"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
}

func viewKey(k ledger.Key) APIKey {
	return APIKey{
		ID: k.ID, Name: k.Name, Role: k.Role, Channels: k.Channels, Sales: k.Sales,
		CreatedAt: atMillis(k.CreatedAtMillis), CreatedBy: k.CreatedBy, LastUsedAt: atMillis(k.UsedAtMillis),
	}
}

// keyViews are all keys, the oldest first.
func (c *Console) keyViews(ctx context.Context) ([]APIKey, error) {
	keys, err := c.deps.Ledger.Keys(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]APIKey, len(keys))
	for i, k := range keys {
		views[i] = viewKey(k)
	}
	return views, nil
}
