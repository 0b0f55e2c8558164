package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

var now = time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)

const sharedSecret = "a-shared-secret-of-thirty-two-by"

// shop signs tokens.
type shop struct {
	ed     ed25519.PrivateKey
	ec     *ecdsa.PrivateKey
	rsa    *rsa.PrivateKey
	shared []byte
	sale   sale.Sale
	*Verifier
}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{shared: []byte(sharedSecret)}
	var err error
	if _, s.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if s.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if s.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	s.sale = sale.Sale{ID: "spring", Identity: sale.Identity{JoinToken: sale.JoinTokenRequired, SharedKeys: []string{"k1"}, JWKS: keySet(t, s.ed.Public(), s.ec.Public(), s.rsa.Public())}}
	s.Verifier = NewVerifier(SharedKeys{"k1": s.shared, "k2": []byte("another-shared-secret-32-bytes-x")}, FetchOptions{})
	return s
}

// keySet names the keys by their kind: ed, ec, rsa.
func keySet(t testing.TB, keys ...any) []byte {
	t.Helper()
	set := jose.JSONWebKeySet{}
	for i, key := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key, KeyID: []string{"ed", "ec", "rsa"}[i]})
	}
	doc, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

type claims map[string]any

func good() claims {
	return claims{"sub": "customer-7", "aud": "spring", "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(), "lane": "members"}
}

func (c claims) with(name string, value any) claims {
	if c[name] = value; value == nil {
		delete(c, name)
	}
	return c
}

func sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, id string, c claims) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if id != "" {
		options = options.WithHeader("kid", id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	return compact(t, signer, c)
}

func compact(t testing.TB, signer jose.Signer, c claims) string {
	t.Helper()
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (s *shop) verify(token string) (Claims, error) {
	return s.Verify(context.Background(), &s.sale, token, now)
}

// reasonOf is the reason of a refusal.
func reasonOf(t testing.TB, err error) Reason {
	t.Helper()
	doc, _ := problem.Of(err)
	if doc.Code != problem.JoinRefused || len(doc.Fields) != 1 {
		t.Fatalf("%v", err)
	}
	return doc.Fields[0].Value.(Reason)
}

func TestEachKindOfKeySignsTokens(t *testing.T) {
	s := newShop(t)
	for name, token := range map[string]string{
		"EdDSA":              sign(t, jose.EdDSA, s.ed, "ed", good()),
		"ES256":              sign(t, jose.ES256, s.ec, "ec", good()),
		"RS256":              sign(t, jose.RS256, s.rsa, "rsa", good()),
		"HS256":              sign(t, jose.HS256, s.shared, "k1", good()),
		"without a key id":   sign(t, jose.EdDSA, s.ed, "", good()),
		"several audiences":  sign(t, jose.EdDSA, s.ed, "ed", good().with("aud", []string{"autumn", "spring"})),
		"clock a bit behind": sign(t, jose.EdDSA, s.ed, "ed", good().with("nbf", now.Add(20*time.Second).Unix())),
	} {
		got, err := s.verify(token)
		if err != nil || got != (Claims{Subject: "customer-7", Lane: "members"}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestClaimsThatAreRefused(t *testing.T) {
	s := newShop(t)
	s.sale.Identity.Issuer = "https://shop.example"
	issued := func() claims { return good().with("iss", "https://shop.example") }
	for name, c := range map[string]struct {
		claims claims
		reason Reason
	}{
		"another sale":       {issued().with("aud", "autumn"), TokenInvalid},
		"no audience":        {issued().with("aud", nil), TokenInvalid},
		"another issuer":     {issued().with("iss", "https://shop.evil"), TokenInvalid},
		"no issuer":          {good(), TokenInvalid},
		"no end":             {issued().with("exp", nil), TokenInvalid},
		"an end far off":     {issued().with("exp", now.Add(25*time.Hour).Unix()), TokenInvalid},
		"expired":            {issued().with("exp", now.Add(-time.Minute).Unix()), TokenExpired},
		"not yet good":       {issued().with("nbf", now.Add(time.Minute).Unix()), TokenInvalid},
		"made in the future": {issued().with("iat", now.Add(time.Minute).Unix()), TokenInvalid},
		"no customer":        {issued().with("sub", nil), TokenInvalid},
		"empty customer":     {issued().with("sub", ""), TokenInvalid},
		"long customer":      {issued().with("sub", strings.Repeat("é", MaxSubjectLength+1)), TokenInvalid},
		"control character":  {issued().with("sub", "a\x00b"), TokenInvalid},
		"long lane":          {issued().with("lane", strings.Repeat("l", 33)), TokenInvalid},
		"customer of number": {issued().with("sub", 7), TokenInvalid},
	} {
		_, err := s.verify(sign(t, jose.EdDSA, s.ed, "ed", c.claims))
		if got := reasonOf(t, err); got != c.reason {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, err := s.verify(sign(t, jose.EdDSA, s.ed, "ed", issued().with("sub", strings.Repeat("é", MaxSubjectLength)))); err != nil {
		t.Error(err)
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	s := newShop(t)
	_, foreign, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	genuine := sign(t, jose.EdDSA, s.ed, "ed", good())
	parts := strings.Split(genuine, ".")
	der, err := x509.MarshalPKIXPublicKey(s.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := s.ed.Public().(ed25519.PublicKey)
	for name, token := range map[string]string{
		"empty":                             "",
		"no token":                          "customer-7",
		"alg none":                          encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + ".",
		"alg None in other letters":         encode([]byte(`{"alg":"nOnE"}`)) + "." + encode(payload) + ".",
		"another key":                       sign(t, jose.EdDSA, foreign, "ed", good()),
		"the public key as a shared secret": sign(t, jose.HS256, []byte(public), "ed", good()),
		"the public RSA key as a secret":    sign(t, jose.HS256, der, "rsa", good()),
		"the JWKS as a secret":              sign(t, jose.HS256, []byte(s.sale.Identity.JWKS), "k1", good()),
		"a shared key of another sale":      sign(t, jose.HS256, []byte("another-shared-secret-32-bytes-x"), "k2", good()),
		"HS512":                             sign(t, jose.HS512, []byte(strings.Repeat("s", 64)), "k1", good()),
		"PS256":                             sign(t, jose.PS256, s.rsa, "rsa", good()),
		"ES384":                             sign(t, jose.ES384, weak, "ec", good()),
		"the key of another kind by its id": sign(t, jose.EdDSA, s.ed, "rsa", good()),
		"other claims, old signature":       parts[0] + "." + encode(append(payload, ' ')) + "." + parts[2],
		"no signature":                      parts[0] + "." + parts[1] + ".",
		"cut":                               genuine[:len(genuine)-2],
		"four parts":                        genuine + ".x",
		"JSON serialization":                `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"too long":                          sign(t, jose.EdDSA, s.ed, "ed", good().with("more", strings.Repeat("x", MaxTokenBytes))),
		"its own key in the header":         withOwnKey(t, foreign),
	} {
		_, err := s.verify(token)
		if got := reasonOf(t, err); got != TokenInvalid {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// withOwnKey is a token that brings the key to verify it with.
func withOwnKey(t *testing.T, key ed25519.PrivateKey) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	return compact(t, signer, good())
}

func TestAWeakKeyIsOfNoUse(t *testing.T) {
	s := newShop(t)
	for name, key := range map[string]jose.JSONWebKey{
		"for encryption":    {Key: s.ed.Public(), KeyID: "ed", Use: "enc"},
		"of another method": {Key: s.ed.Public(), KeyID: "ed", Algorithm: "ES256"},
	} {
		if fits(&key, "EdDSA") {
			t.Error(name)
		}
	}
	short := &rsa.PublicKey{N: s.rsa.N, E: s.rsa.E}
	short.N = short.N.Rsh(s.rsa.N, 1024)
	if fits(&jose.JSONWebKey{Key: short}, "RS256") {
		t.Error("an RSA key of 1024 bits")
	}
}

func FuzzVerifyBelievesNothingThatNobodySigned(f *testing.F) {
	s := newShop(f)
	genuine := map[string]bool{}
	for _, token := range []string{
		sign(f, jose.EdDSA, s.ed, "ed", good()), sign(f, jose.HS256, s.shared, "k1", good()), sign(f, jose.RS256, s.rsa, "rsa", good()),
	} {
		genuine[token] = true
		f.Add(token)
	}
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		_, err := s.verify(token)
		if err == nil && !genuine[token] {
			t.Fatalf("believed %q", token)
		}
		if err != nil && !errors.Is(err, problem.JoinRefused) {
			t.Fatal(err)
		}
	})
}
