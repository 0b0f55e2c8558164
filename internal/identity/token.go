package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/penstock/penstock/internal/sale"
)

const (
	// MaxTokenBytes bounds a join token.
	MaxTokenBytes = 4096
	// MaxSubjectLength bounds the key of a customer, in characters.
	MaxSubjectLength = 128
	// MaxTokenLife is how far ahead a token may end: one that is leaked is not good for long.
	MaxTokenLife = 24 * time.Hour
	// leeway is by how much the clocks of the shop and of the server may differ.
	leeway = 30 * time.Second
	// minRSABits is the least length of an RSA key.
	minRSABits = 2048
	maxLane    = 32
)

// Claims are what a token says of a customer.
type Claims struct {
	Subject string
	Lane    string
}

// Verifier verifies join tokens. It is safe for concurrent use.
type Verifier struct {
	shared SharedKeys
	sets   *keySets
}

// NewVerifier returns a verifier with the shared keys of the settings.
func NewVerifier(shared SharedKeys, fetch FetchOptions) *Verifier {
	return &Verifier{shared: shared, sets: newKeySets(fetch)}
}

// Verify returns what a token for a sale says, at a moment by the clock of Redis. The error is join_refused with a
// reason, or unavailable while the keys of the shop cannot be had.
func (v *Verifier) Verify(ctx context.Context, s *sale.Sale, token string, now time.Time) (Claims, error) {
	if len(token) > MaxTokenBytes {
		return Claims{}, invalidToken("it is too long")
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256, jose.RS256, jose.HS256})
	if err != nil || len(parsed.Headers) != 1 {
		return Claims{}, invalidToken("it is no signed token of EdDSA, ES256, RS256 or HS256")
	}
	head := parsed.Headers[0]
	keys, err := v.keysFor(ctx, s, head.Algorithm, head.KeyID, now)
	if err != nil {
		return Claims{}, err
	}
	for _, key := range keys {
		var standard jwt.Claims
		var own struct {
			Lane string `json:"lane"`
		}
		if parsed.Claims(key, &standard, &own) == nil {
			return judge(s, &standard, own.Lane, now)
		}
	}
	return Claims{}, invalidToken("no key of this sale signed it")
}

// keysFor are the keys of a sale by which a token may be signed: of the token's algorithm, and of its key id when
// it names one.
func (v *Verifier) keysFor(ctx context.Context, s *sale.Sale, algorithm, id string, now time.Time) ([]any, error) {
	if algorithm == string(jose.HS256) {
		var keys []any
		for _, name := range s.Identity.SharedKeys {
			if secret, known := v.shared[name]; known && (id == "" || id == name) {
				keys = append(keys, secret)
			}
		}
		return keys, nil
	}
	set, err := v.sets.of(ctx, &s.Identity, id, now)
	if err != nil {
		return nil, err
	}
	var keys []any
	for _, key := range set {
		if fits(&key, algorithm) && (id == "" || key.KeyID == id) {
			keys = append(keys, key.Key)
		}
	}
	return keys, nil
}

// fits reports whether a public key is one of the algorithm. The token does not choose what its signature is
// checked with: the kind of the key does.
func fits(key *jose.JSONWebKey, algorithm string) bool {
	if key.Algorithm != "" && key.Algorithm != algorithm || key.Use != "" && key.Use != "sig" {
		return false
	}
	switch public := key.Key.(type) {
	case ed25519.PublicKey:
		return algorithm == string(jose.EdDSA)
	case *ecdsa.PublicKey:
		return algorithm == string(jose.ES256) && public.Curve == elliptic.P256()
	case *rsa.PublicKey:
		return algorithm == string(jose.RS256) && public.N.BitLen() >= minRSABits
	default:
		return false
	}
}

// judge checks what a token says, once its signature holds.
func judge(s *sale.Sale, c *jwt.Claims, lane string, now time.Time) (Claims, error) {
	switch {
	case c.Expiry == nil:
		return Claims{}, invalidToken("it has no end (exp)")
	case !now.Before(c.Expiry.Time().Add(leeway)):
		return Claims{}, Refused(TokenExpired, "the shop's word for you has expired: follow the shop's link to the sale again")
	case c.Expiry.Time().Sub(now) > MaxTokenLife+leeway:
		return Claims{}, invalidToken("it ends (exp) more than 24 h from now")
	case c.NotBefore != nil && now.Add(leeway).Before(c.NotBefore.Time()):
		return Claims{}, invalidToken("it is not good yet (nbf)")
	case c.IssuedAt != nil && now.Add(leeway).Before(c.IssuedAt.Time()):
		return Claims{}, invalidToken("it was made in the future (iat)")
	case !slices.Contains(c.Audience, s.TokenAudience()):
		return Claims{}, invalidToken("it is for something else (aud)")
	case s.Identity.Issuer != "" && c.Issuer != s.Identity.Issuer:
		return Claims{}, invalidToken("it was made by somebody else (iss)")
	case !validSubject(c.Subject):
		return Claims{}, invalidToken("it names no customer (sub: 1 to 128 characters)")
	case len(lane) > maxLane:
		return Claims{}, invalidToken("its lane is too long")
	}
	return Claims{Subject: c.Subject, Lane: lane}, nil
}

func validSubject(subject string) bool {
	n := utf8.RuneCountInString(subject)
	return n >= 1 && n <= MaxSubjectLength && utf8.ValidString(subject) && !strings.ContainsFunc(subject, unicode.IsControl)
}

func invalidToken(why string) error {
	return Refused(TokenInvalid, "the join token is refused: "+why)
}
