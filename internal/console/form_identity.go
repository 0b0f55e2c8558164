package console

import (
	"encoding/json"
	"maps"
	"net/url"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

func fillIdentity(i sale.Identity) typed {
	return typed{
		"identity.join_token": string(i.JoinToken), "identity.issuer": i.Issuer, "identity.audience": i.Audience,
		"identity.jwks_url": i.JWKSURL, "identity.jwks": string(i.JWKS), "identity.shared_keys": strings.Join(i.SharedKeys, ", "),
		"identity.invite_only": strconv.FormatBool(i.InviteOnly),
	}
}

func readIdentity(v url.Values) typed {
	return readTyped(v, "identity.join_token", maps.Keys(fillIdentity(sale.Identity{})))
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
