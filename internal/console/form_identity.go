package console

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

// identityForm is what was typed of who may join, by the paths of the fields. It is nil when the form has none of
// them.
type identityForm map[string]string

func fillIdentity(i sale.Identity) identityForm {
	return identityForm{
		"identity.join_token": string(i.JoinToken), "identity.issuer": i.Issuer, "identity.audience": i.Audience,
		"identity.jwks_url": i.JWKSURL, "identity.jwks": string(i.JWKS), "identity.shared_keys": strings.Join(i.SharedKeys, ", "),
		"identity.invite_only": strconv.FormatBool(i.InviteOnly),
	}
}

func readIdentity(v url.Values) identityForm {
	if !v.Has("identity.join_token") {
		return nil
	}
	f := fillIdentity(sale.Identity{})
	for path := range f {
		f[path] = strings.TrimSpace(v.Get(path))
	}
	return f
}

// identity lays what was typed over a sale.
func (f *saleForm) identity(s *sale.Sale) {
	if f.Identity == nil {
		return
	}
	s.Identity = sale.Identity{
		JoinToken: sale.JoinToken(f.Identity["identity.join_token"]), Issuer: f.Identity["identity.issuer"],
		Audience: f.Identity["identity.audience"], JWKSURL: f.Identity["identity.jwks_url"],
		SharedKeys: typedList(f.Identity["identity.shared_keys"]), InviteOnly: f.Identity["identity.invite_only"] == switchOn,
	}
	if set := f.Identity["identity.jwks"]; set != "" {
		if !json.Valid([]byte(set)) {
			f.fault("identity.jwks", `enter a JSON Web Key Set, such as {"keys":[…]}`)
			return
		}
		s.Identity.JWKS = json.RawMessage(set)
	}
}

// fieldOfIdentity is the field in which a member is typed.
func fieldOfIdentity(path string) string {
	if strings.HasPrefix(path, "identity.shared_keys") {
		return "identity.shared_keys"
	}
	return path
}

// FaultInIdentity reports whether a field of who may join is wrong, so that this part is shown open.
func (f *saleForm) FaultInIdentity() bool {
	for field := range f.Errors {
		if strings.HasPrefix(field, "identity.") {
			return true
		}
	}
	return false
}
