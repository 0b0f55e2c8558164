package sale

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
)

// Identity says who may join, and by what a person is known, so that one has one place.
type Identity struct {
	// JoinToken says whether a token that the shop signed is asked for.
	JoinToken JoinToken `json:"join_token,omitempty"`
	// Issuer is what the token's iss must be; empty asks for none.
	Issuer string `json:"issuer,omitempty"`
	// Audience is what the token's aud must name; empty is the id of the sale.
	Audience string `json:"audience,omitempty"`
	// JWKSURL is where the shop publishes the keys that it signs with.
	JWKSURL string `json:"jwks_url,omitempty"`
	// JWKS are those keys themselves (RFC 7517): public ones.
	JWKS json.RawMessage `json:"jwks,omitempty"`
	// SharedKeys are the ids of keys in the server's settings, which the shop has as well.
	SharedKeys []string `json:"shared_keys,omitempty"`
	// InviteOnly lets in only those with an invite that was not used.
	InviteOnly bool `json:"invite_only,omitempty"`
}

// JoinToken is whether a join token is asked for.
type JoinToken string

// The choices. Empty reads no token.
const (
	JoinTokenOptional JoinToken = "optional" // who brings none is let in without a name
	JoinTokenRequired JoinToken = "required"
)

// The limits of Identity.
const (
	MaxIssuerLength = 200
	MaxJWKSBytes    = 16 << 10
	MaxJWKSKeys     = 16
	MaxSharedKeys   = 8
)

var sharedKeyPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// ValidSharedKey reports whether a string can be the id of a shared key.
func ValidSharedKey(id string) bool { return sharedKeyPattern.MatchString(id) }

// TokenAudience is what a join token's aud must name.
func (s Sale) TokenAudience() string {
	if s.Identity.Audience != "" {
		return s.Identity.Audience
	}
	return s.ID
}

func (s Sale) validateIdentity() error {
	i := s.Identity
	switch i.JoinToken {
	case "":
		if i.JWKSURL != "" || len(i.JWKS) > 0 || len(i.SharedKeys) > 0 || i.Issuer != "" || i.Audience != "" {
			return invalid("identity.join_token", "want optional or required beside the keys and names of tokens")
		}
		return nil
	case JoinTokenOptional, JoinTokenRequired:
	default:
		return invalid("identity.join_token", "want optional or required, or leave it out")
	}
	if err := validText("identity.issuer", i.Issuer, 0, MaxIssuerLength); err != nil {
		return err
	}
	if err := validText("identity.audience", i.Audience, 0, MaxIssuerLength); err != nil {
		return err
	}
	return i.validateKeys()
}

func (i Identity) validateKeys() error {
	if i.JWKSURL == "" && len(i.JWKS) == 0 && len(i.SharedKeys) == 0 {
		return invalid("identity.jwks_url", "is required, or identity.jwks or identity.shared_keys: nothing else tells whose tokens to believe")
	}
	if i.JWKSURL != "" && len(i.JWKS) > 0 {
		return invalid("identity.jwks", "is there beside jwks_url; want one of them")
	}
	if i.JWKSURL != "" && !validKeysURL(i.JWKSURL) {
		return invalid("identity.jwks_url", "want an https address, such as https://shop.example/.well-known/jwks.json")
	}
	if len(i.SharedKeys) > MaxSharedKeys {
		return invalid("identity.shared_keys", "at most %d", MaxSharedKeys)
	}
	for at, id := range i.SharedKeys {
		if !ValidSharedKey(id) || slices.Contains(i.SharedKeys[:at], id) {
			return invalid(fmt.Sprintf("identity.shared_keys[%d]", at), "want the id of a key in PENSTOCK_JOIN_KEYS, once")
		}
	}
	return i.validateJWKS()
}

// validKeysURL reports whether keys may be fetched from an address. Plain HTTP is for hosts that the server's
// settings name; without that it is refused when it is used.
func validKeysURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && len(text) <= MaxURLLength && (u.Scheme == "https" || u.Scheme == "http") && u.User == nil && u.Fragment == "" && u.Opaque == "" && plainHost(u)
}

// validateJWKS refuses a set that holds a secret: a sale's document is read by many.
func (i Identity) validateJWKS() error {
	const field = "identity.jwks"
	if len(i.JWKS) == 0 {
		return nil
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if len(i.JWKS) > MaxJWKSBytes || json.Unmarshal(i.JWKS, &set) != nil {
		return invalid(field, `want a JSON Web Key Set of %d bytes at most, such as {"keys":[…]}`, MaxJWKSBytes)
	}
	if len(set.Keys) == 0 || len(set.Keys) > MaxJWKSKeys {
		return invalid(field, "want 1 to %d keys", MaxJWKSKeys)
	}
	for _, key := range set.Keys {
		switch key["kty"] {
		case "OKP", "EC", "RSA":
		default:
			return invalid(field, "a key has the kty %q; want OKP, EC or RSA, and shared keys in PENSTOCK_JOIN_KEYS", fmt.Sprint(key["kty"]))
		}
		for _, private := range []string{"d", "k", "p", "q", "dp", "dq", "qi"} {
			if _, there := key[private]; there {
				return invalid(field, "a key holds a private part (%s); want public keys only, and take that key out of use", private)
			}
		}
	}
	return nil
}
