package penstock

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

var (
	joinSecret = []byte("a-shared-secret-of-thirty-two-by")
	signedAt   = time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
)

func TestAJoinTokenSaysWhatTheWaitingRoomReads(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, keys := range map[jose.SignatureAlgorithm]struct{ sign, verify any }{
		jose.EdDSA: {private, public}, jose.ES256: {curve, &curve.PublicKey}, jose.HS256: {joinSecret, joinSecret},
	} {
		token, err := signJoinToken(keys.sign, "k1", JoinToken{Customer: "Zoë/7", Audience: "drop", ValidFor: 5 * time.Minute, Lane: "vip", Issuer: "shop"}, signedAt)
		if err != nil {
			t.Fatal(algorithm, err)
		}
		signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{algorithm})
		if err != nil {
			t.Fatal(algorithm, err)
		}
		payload, err := signed.Verify(keys.verify)
		if err != nil {
			t.Fatal(algorithm, err)
		}
		want := map[string]any{"sub": "Zoë/7", "aud": "drop", "exp": float64(signedAt.Unix() + 300), "lane": "vip", "iss": "shop"}
		if got := decoded(t, payload); !sameClaims(got, want) {
			t.Errorf("%s: %v, want %v", algorithm, got, want)
		}
		if id := signed.Signatures[0].Header.KeyID; id != "k1" {
			t.Errorf("%s: key id %q", algorithm, id)
		}
	}
}

func TestWhatIsNotSaidIsNotInAJoinToken(t *testing.T) {
	token, err := signJoinToken(joinSecret, "k1", JoinToken{Customer: "7", Audience: "drop", ValidFor: time.Minute}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		t.Fatal(err)
	}
	if got := decoded(t, signed.UnsafePayloadWithoutVerification()); len(got) != 3 {
		t.Errorf("%v", got)
	}
}

func TestAJoinTokenThatWouldBeRefusedIsNotSigned(t *testing.T) {
	good := JoinToken{Customer: "7", Audience: "drop", ValidFor: time.Minute}
	for what, change := range map[string]func(*JoinToken){
		"no customer":        func(j *JoinToken) { j.Customer = "" },
		"a long customer":    func(j *JoinToken) { j.Customer = strings.Repeat("é", 129) },
		"a control":          func(j *JoinToken) { j.Customer = "a\nb" },
		"text that is none":  func(j *JoinToken) { j.Customer = "\xff" },
		"no audience":        func(j *JoinToken) { j.Audience = "" },
		"no time":            func(j *JoinToken) { j.ValidFor = 0 },
		"more than 24 hours": func(j *JoinToken) { j.ValidFor = 24*time.Hour + 1 },
		"a long lane":        func(j *JoinToken) { j.Lane = strings.Repeat("v", 33) },
	} {
		token := good
		if change(&token); token == good {
			t.Fatal(what)
		}
		if got, err := SignJoinToken(joinSecret, "k1", token); err == nil {
			t.Errorf("%s: %s", what, got)
		}
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for what, key := range map[string]any{"short": joinSecret[1:], "text": string(joinSecret), "another curve": other, "none": nil, "empty": ed25519.PrivateKey{}} {
		if got, err := SignJoinToken(key, "k1", good); err == nil {
			t.Errorf("a key that is %s: %s", what, got)
		}
	}
	if got, err := SignJoinToken(joinSecret, "", good); err == nil {
		t.Errorf("without a key id: %s", got)
	}
}

func decoded(t *testing.T, payload []byte) map[string]any {
	t.Helper()
	claims := map[string]any{}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func sameClaims(a, b map[string]any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
