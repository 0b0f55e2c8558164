//go:build connectors

package conformance

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/queue"
)

// passKeys are those of a penstock with this secret.
func passKeys(t testing.TB, secret string) *queue.PassKeys {
	t.Helper()
	seed, err := hkdf.Key(sha256.New, []byte(secret), nil, "penstock passes", 32)
	if err != nil {
		t.Fatal(err)
	}
	return queue.NewPassKeys(seed, nil, nil)
}

func passFor(sale string, expires time.Time) queue.Pass {
	return queue.Pass{Sale: sale, Ticket: 7, ID: "7", IssuedAt: time.Now().Add(-time.Hour), ExpiresAt: expires}
}

// badPasses are no passes of the sale, by what is wrong with them. Good is one of its own.
func badPasses(t testing.TB, sale, good string) map[string]string {
	t.Helper()
	ours, others := passKeys(t, firstSecret), passKeys(t, "a secret that penstock does not have")
	later := time.Now().Add(time.Hour)
	parts := strings.Split(good, ".")
	return map[string]string{
		"of another secret":          others.Sign(passFor(sale, later)),
		"expired":                    ours.Sign(passFor(sale, time.Now().Add(-time.Minute))),
		"of another sale":            ours.Sign(passFor("another", later)),
		"with a changed signature":   parts[0] + "." + parts[1] + "." + swapped(parts[2]),
		"with changed claims":        parts[0] + "." + encoded(`{"iss":"penstock","aud":"`+sale+`","jti":"1","iat":1,"exp":99999999999}`) + "." + parts[2],
		"unsigned":                   encoded(`{"alg":"none","typ":"JWT"}`) + "." + parts[1] + ".",
		"signed with the public key": symmetric(ours, parts[1]),
		"without a key id":           encoded(`{"alg":"EdDSA","typ":"JWT"}`) + "." + parts[1] + "." + parts[2],
		"cut short":                  parts[0] + "." + parts[1],
		"something else":             "x.y.z",
		"empty":                      "",
		"much too long":              strings.Repeat("A", 3000) + "." + parts[1] + "." + parts[2],
	}
}

// swapped changes the first character.
func swapped(text string) string {
	if text[0] == 'A' {
		return "B" + text[1:]
	}
	return "A" + text[1:]
}

func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// symmetric takes the published key for the key of an HMAC, as a careless verifier would.
func symmetric(keys *queue.PassKeys, claims string) string {
	_, id, _ := strings.Cut(string(keys.JWKS()), `"kid":"`)
	id, x, _ := strings.Cut(id, `","x":"`)
	x, _, _ = strings.Cut(x, `"`)
	public, _ := base64.RawURLEncoding.DecodeString(x)
	signed := encoded(fmt.Sprintf(`{"alg":"HS256","kid":%q,"typ":"JWT"}`, id)) + "." + claims
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
