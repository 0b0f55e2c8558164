package queue

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// Pass is an admission: its holder may reserve until it expires or is given back.
type Pass struct {
	Sale   string
	Ticket Number
	// ID is the ticket's number in decimal; it is the token's jti and the member of the gate set.
	ID string
	// IssuedAt and ExpiresAt are whole seconds of the clock of Redis, so that the token and the
	// gate agree to the millisecond on when the slot is free again.
	IssuedAt, ExpiresAt time.Time
}

const (
	passIssuer       = "penstock"
	passKeyLabel     = "penstock/pass/ed25519/v1"
	maxPassToken     = 1024
	maxPassKeys      = 8
	cachedPassTokens = 32768 // per generation; about 10 MB
	signatureEncoded = (ed25519.SignatureSize*8 + 5) / 6
)

var passEncoding = base64.RawURLEncoding.Strict()

// PassKeys signs passes as JSON Web Tokens (RFC 7519) with EdDSA (RFC 8037), and verifies them.
// It is safe for concurrent use.
type PassKeys struct {
	keys  []passKey // the current one first, then the next ones, then the previous ones
	cache *passCache
}

type passKey struct {
	id     string
	header string // base64url of the JOSE header with its dot: one spelling a key
	secret ed25519.PrivateKey
	public ed25519.PublicKey
}

// passClaims is the payload, in the order in which it is written.
type passClaims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	ID       string `json:"jti"`
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

// NewPassKeys derives the key pair that signs from a seed of any length. Keys of the previous seeds are
// still believed; those of the next seeds are believed already, and published, so that whoever caches the
// key set knows a key before it signs. Of both together at most seven are taken, the next ones first.
func NewPassKeys(current []byte, previous, next [][]byte) *PassKeys {
	k := &PassKeys{keys: []passKey{newPassKey(current)}, cache: newPassCache(cachedPassTokens)}
	for _, seed := range slices.Concat(next, previous) {
		key := newPassKey(seed)
		known := slices.ContainsFunc(k.keys, func(have passKey) bool { return have.id == key.id })
		if len(k.keys) < maxPassKeys && !known {
			k.keys = append(k.keys, key)
		}
	}
	return k
}

func newPassKey(seed []byte) passKey {
	derived := hmac.New(sha256.New, seed)
	derived.Write([]byte(passKeyLabel))
	secret := ed25519.NewKeyFromSeed(derived.Sum(nil))
	public := secret.Public().(ed25519.PublicKey)
	id := thumbprint(public)
	header := `{"alg":"EdDSA","kid":"` + id + `","typ":"JWT"}`
	return passKey{id: id, secret: secret, public: public, header: passEncoding.EncodeToString([]byte(header)) + "."}
}

// thumbprint names a key by RFC 7638 (with RFC 8037, appendix A.3).
func thumbprint(public ed25519.PublicKey) string {
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + passEncoding.EncodeToString(public) + `"}`))
	return passEncoding.EncodeToString(sum[:])
}

// Sign returns the token of a pass. The same pass and the same current key give the same token, on every
// node.
func (k *PassKeys) Sign(p Pass) string {
	key := k.keys[0]
	cached := cachedPass{sale: p.Sale, ticket: p.Ticket, issued: p.IssuedAt.Unix(), expires: p.ExpiresAt.Unix()}
	claims, err := json.Marshal(passClaims{
		Issuer: passIssuer, Audience: p.Sale, ID: p.Ticket.decimal(),
		IssuedAt: cached.issued, Expires: cached.expires,
	})
	if err != nil {
		return "" // not reachable: strings and integers marshal
	}
	signed := key.header + passEncoding.EncodeToString(claims)
	token := signed + "." + passEncoding.EncodeToString(ed25519.Sign(key.secret, []byte(signed)))
	k.cache.put(token, cached)
	return token
}

// Verify returns the pass of a token for a sale. The error is pass_invalid unless one of these
// keys signed it for this sale and it is unexpired at now. Whether it was given back is another
// question; see [Room.Revoked].
func (k *PassKeys) Verify(token, sale string, now time.Time) (Pass, error) {
	if len(token) > maxPassToken {
		return Pass{}, problem.PassInvalid
	}
	known, ok := k.cache.get(token)
	if !ok {
		if known, ok = k.check(token); !ok {
			return Pass{}, problem.PassInvalid
		}
		k.cache.put(token, known)
	}
	if known.sale != sale || now.Unix() >= known.expires {
		return Pass{}, problem.PassInvalid
	}
	return passOf(known.sale, known.ticket, known.issued, known.expires), nil
}

// check verifies a token that is not in the cache. Nothing of it is interpreted before its
// signature holds: the header must be, to the character, one that we write.
func (k *PassKeys) check(token string) (cachedPass, bool) {
	for i := range k.keys {
		key := &k.keys[i]
		rest, found := strings.CutPrefix(token, key.header)
		if !found {
			continue
		}
		payload, signature, found := strings.Cut(rest, ".")
		if !found || len(signature) != signatureEncoded || strings.ContainsAny(signature, "\r\n") {
			return cachedPass{}, false
		}
		sig, err := passEncoding.DecodeString(signature)
		if err != nil || !ed25519.Verify(key.public, []byte(token[:len(key.header)+len(payload)]), sig) {
			return cachedPass{}, false
		}
		return claimsOf(payload)
	}
	return cachedPass{}, false
}

func claimsOf(payload string) (cachedPass, bool) {
	data, err := passEncoding.DecodeString(payload)
	if err != nil {
		return cachedPass{}, false
	}
	var claims passClaims
	if err := json.Unmarshal(data, &claims); err != nil || claims.Issuer != passIssuer {
		return cachedPass{}, false
	}
	number, err := strconv.ParseUint(claims.ID, 10, 64)
	if err != nil || !Number(number).valid() {
		return cachedPass{}, false
	}
	return cachedPass{sale: claims.Audience, ticket: Number(number), issued: claims.IssuedAt, expires: claims.Expires}, true
}

// JWKS returns the public keys as a JSON Web Key Set (RFC 7517).
func (k *PassKeys) JWKS() []byte {
	type jwk struct {
		KeyType   string `json:"kty"`
		Curve     string `json:"crv"`
		Algorithm string `json:"alg"`
		Use       string `json:"use"`
		KeyID     string `json:"kid"`
		X         string `json:"x"`
	}
	set := struct {
		Keys []jwk `json:"keys"`
	}{Keys: make([]jwk, 0, len(k.keys))}
	for _, key := range k.keys {
		set.Keys = append(set.Keys, jwk{
			KeyType: "OKP", Curve: "Ed25519", Algorithm: "EdDSA", Use: "sig",
			KeyID: key.id, X: passEncoding.EncodeToString(key.public),
		})
	}
	doc, err := json.Marshal(set)
	if err != nil {
		return []byte(`{"keys":[]}`) // not reachable: strings marshal
	}
	return doc
}

func passOf(sale string, ticket Number, issued, expires int64) Pass {
	return Pass{
		Sale: sale, Ticket: ticket, ID: ticket.decimal(),
		IssuedAt: time.Unix(issued, 0).UTC(), ExpiresAt: time.Unix(expires, 0).UTC(),
	}
}

func (n Number) decimal() string { return strconv.FormatUint(uint64(n), 10) }
