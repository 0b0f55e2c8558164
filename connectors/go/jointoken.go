package penstock

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	maxCustomerLength = 128
	maxLaneBytes      = 32
	maxJoinTokenLife  = 24 * time.Hour
	minSharedBytes    = 32
)

// JoinToken is what the shop says to the waiting room of a customer who is logged in.
type JoinToken struct {
	// Customer is the shop's own key of the customer, 1 to 128 characters: whoever has the same key has the same
	// place. Required.
	Customer string
	// Audience is the id of the sale, or what the sale says in identity.audience. Required.
	Audience string
	// ValidFor is for how long the token is good, 1 s to 24 h. A few minutes are enough. Required.
	ValidFor time.Duration
	// Lane is the priority lane in which the customer waits. Empty: that of everybody.
	Lane string
	// Issuer is what the sale says in identity.issuer. Empty when it says nothing.
	Issuer string
}

// SignJoinToken returns the token for the address or the body with which a customer joins: a JSON Web Token
// (RFC 7519). The key is an [ed25519.PrivateKey] (EdDSA), an [*ecdsa.PrivateKey] on P-256 (ES256), or the []byte of a
// secret that is in PENSTOCK_JOIN_KEYS too (HS256), 32 bytes or more. keyID is its kid in the shop's JWKS, or its id
// in PENSTOCK_JOIN_KEYS. The error says what Penstock would refuse.
func SignJoinToken(key any, keyID string, token JoinToken) (string, error) {
	return signJoinToken(key, keyID, token, time.Now())
}

func signJoinToken(key any, keyID string, token JoinToken, now time.Time) (string, error) {
	if err := token.check(); err != nil {
		return "", err
	}
	algorithm, err := joinAlgorithm(key)
	if err != nil {
		return "", err
	}
	if keyID == "" {
		return "", errors.New("penstock: a join token needs the id of its key")
	}
	head := (&jose.SignerOptions{}).WithType("JWT").WithHeader(jose.HeaderKey("kid"), keyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, head)
	if err != nil {
		return "", err
	}
	claims := jwt.Claims{
		Subject: token.Customer, Audience: jwt.Audience{token.Audience}, Issuer: token.Issuer, Expiry: jwt.NewNumericDate(now.Add(token.ValidFor)),
	}
	own := struct {
		Lane string `json:"lane,omitempty"`
	}{token.Lane}
	return jwt.Signed(signer).Claims(claims).Claims(own).Serialize()
}

func (t JoinToken) check() error {
	switch n := utf8.RuneCountInString(t.Customer); {
	case n < 1 || n > maxCustomerLength || !utf8.ValidString(t.Customer) || strings.ContainsFunc(t.Customer, unicode.IsControl):
		return errors.New("penstock: the customer of a join token has 1 to 128 characters")
	case t.Audience == "":
		return errors.New("penstock: a join token needs an audience, which is the id of the sale")
	case t.ValidFor < time.Second || t.ValidFor > maxJoinTokenLife:
		return errors.New("penstock: a join token is valid for 1 s to 24 h")
	case len(t.Lane) > maxLaneBytes:
		return errors.New("penstock: the lane of a join token has at most 32 bytes")
	}
	return nil
}

// joinAlgorithm is that of a key: each kind of key has one of its own.
func joinAlgorithm(key any) (jose.SignatureAlgorithm, error) {
	switch key := key.(type) {
	case ed25519.PrivateKey:
		if len(key) == ed25519.PrivateKeySize {
			return jose.EdDSA, nil
		}
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P256() {
			return jose.ES256, nil
		}
	case []byte:
		if len(key) >= minSharedBytes {
			return jose.HS256, nil
		}
	}
	return "", errors.New("penstock: a join token is signed with an Ed25519 key, a P-256 key, or a secret of 32 bytes or more")
}
