package queue

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

var (
	passIssued = time.Unix(1_800_000_000, 0).UTC()
	testPass   = passOf("drop", 42, passIssued.Unix(), passIssued.Unix()+600)
)

func TestAPassComesBackAsItWas(t *testing.T) {
	keys, other := NewPassKeys(testSecret, nil, nil), NewPassKeys(testSecret, nil, nil)
	token := keys.Sign(testPass)
	if other.Sign(testPass) != token {
		t.Fatal("another node gives another token for the same pass")
	}
	for name, k := range map[string]*PassKeys{"from the cache": keys, "by its signature": NewPassKeys(testSecret, nil, nil)} {
		got, err := k.Verify(token, "drop", passIssued)
		if err != nil || got != testPass {
			t.Fatalf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestAPassIsAPlainJWT(t *testing.T) {
	keys := NewPassKeys(testSecret, nil, nil)
	parts := strings.Split(keys.Sign(testPass), ".")
	var header, claims map[string]any
	decode(t, parts[0], &header)
	decode(t, parts[1], &claims)
	if header["alg"] != "EdDSA" || header["typ"] != "JWT" {
		t.Fatalf("header %v", header)
	}
	want := map[string]any{"iss": "penstock", "aud": "drop", "jti": "42", "iat": 1.8e9, "exp": 1.8e9 + 600}
	if fmt.Sprint(claims) != fmt.Sprint(want) {
		t.Fatalf("claims %v, want %v", claims, want)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(keys.JWKS(), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("key set %s: %v", keys.JWKS(), err)
	}
	key := set.Keys[0]
	if key["kid"] != header["kid"] || key["kty"] != "OKP" || key["crv"] != "Ed25519" {
		t.Fatalf("key %v for header %v", key, header)
	}
	public, err := base64.RawURLEncoding.DecodeString(key["x"])
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(public, []byte(parts[0]+"."+parts[1]), signature) {
		t.Fatal("the published key does not verify the token")
	}
}

func decode(t *testing.T, part string, into any) {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// forge signs any header and payload with the true key.
func forge(keys *PassKeys, header, payload string) string {
	signed := passEncoding.EncodeToString([]byte(header)) + "." + passEncoding.EncodeToString([]byte(payload))
	return signed + "." + passEncoding.EncodeToString(ed25519.Sign(keys.keys[0].secret, []byte(signed)))
}

func TestForgedPassesAreRefused(t *testing.T) {
	keys := NewPassKeys(testSecret, nil, nil)
	token := keys.Sign(testPass)
	parts := strings.Split(token, ".")
	payload := `{"iss":"penstock","aud":"drop","jti":"42","iat":1800000000,"exp":1800000600}`
	good := `{"alg":"EdDSA","kid":"` + keys.keys[0].id + `","typ":"JWT"}`
	if _, err := keys.Verify(forge(keys, good, payload), "drop", passIssued); err != nil {
		t.Fatalf("the forge itself is broken: %v", err)
	}
	none := passEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	last := parts[2][len(parts[2])-1]
	for name, forged := range map[string]string{
		"alg none, no signature":   none + "." + parts[1] + ".",
		"alg none, signed":         forge(keys, `{"alg":"none"}`, payload),
		"alg HS256":                forge(keys, `{"alg":"HS256","kid":"`+keys.keys[0].id+`","typ":"JWT"}`, payload),
		"another kid":              forge(keys, `{"alg":"EdDSA","kid":"x","typ":"JWT"}`, payload),
		"another issuer":           forge(keys, good, strings.Replace(payload, "penstock", "someone", 1)),
		"ticket 0":                 forge(keys, good, strings.Replace(payload, `"42"`, `"0"`, 1)),
		"payload is no JSON":       forge(keys, good, "pass"),
		"another payload":          parts[0] + "." + passEncoding.EncodeToString([]byte(strings.Replace(payload, "42", "43", 1))) + "." + parts[2],
		"trailing dot":             token + ".",
		"trailing part":            token + ".e30",
		"trailing newline":         token + "\n",
		"padding":                  token + "==",
		"cut short":                token[:len(token)-1],
		"no signature":             parts[0] + "." + parts[1],
		"spare bits of the base64": token[:len(token)-1] + string(nextBase64(last)),
		"newline in the signature": parts[0] + "." + parts[1] + "." + parts[2][:10] + "\n" + parts[2][11:],
		"nothing":                  "",
		"too long":                 token + strings.Repeat("A", maxPassToken),
	} {
		for range 2 { // the second time would meet the cache
			if got, err := keys.Verify(forged, "drop", passIssued); !errors.Is(err, problem.PassInvalid) {
				t.Errorf("%s: got %+v, %v", name, got, err)
			}
		}
	}
}

// nextBase64 changes only the spare bits of the last character.
func nextBase64(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)+1]
}

func TestAPassIsRefusedElsewhereAndAfterItsEnd(t *testing.T) {
	keys := NewPassKeys(testSecret, nil, nil)
	token := keys.Sign(testPass)
	if _, err := keys.Verify(token, "other", passIssued); !errors.Is(err, problem.PassInvalid) {
		t.Errorf("another sale: %v", err)
	}
	if _, err := keys.Verify(token, "drop", testPass.ExpiresAt.Add(-time.Millisecond)); err != nil {
		t.Errorf("a moment before the end: %v", err)
	}
	if _, err := keys.Verify(token, "drop", testPass.ExpiresAt); !errors.Is(err, problem.PassInvalid) {
		t.Errorf("at the end: %v", err)
	}
	if _, err := NewPassKeys([]byte("other"), nil, nil).Verify(token, "drop", passIssued); !errors.Is(err, problem.PassInvalid) {
		t.Errorf("another key: %v", err)
	}
	rotated := NewPassKeys([]byte("other"), [][]byte{testSecret}, nil)
	if _, err := rotated.Verify(token, "drop", passIssued); err != nil {
		t.Errorf("the previous key: %v", err)
	}
}

func TestThePassCacheStaysBoundedAndKeepsWhatIsUsed(t *testing.T) {
	c := newPassCache(10)
	for i := range 1000 {
		c.put(fmt.Sprint("token", i), cachedPass{ticket: Number(i)})
		c.put("kept", cachedPass{ticket: 7})
		if n := c.len(); n > 20 {
			t.Fatalf("%d tokens in a cache of 2×10", n)
		}
	}
	if p, ok := c.get("kept"); !ok || p.ticket != 7 {
		t.Fatal("what is in use was dropped")
	}
	if _, ok := c.get("token3"); ok {
		t.Fatal("an old token is still there")
	}
}

func TestThePassCacheKeepsItsOwnCopyOfAToken(t *testing.T) {
	keys := NewPassKeys(testSecret, nil, nil)
	buffer := []byte(keys.Sign(testPass))
	fresh := NewPassKeys(testSecret, nil, nil)
	if _, err := fresh.Verify(string(buffer), "drop", passIssued); err != nil {
		t.Fatal(err)
	}
	buffer[len(buffer)-5] ^= 1
	if _, err := fresh.Verify(string(buffer), "drop", passIssued); !errors.Is(err, problem.PassInvalid) {
		t.Fatalf("a changed token: %v", err)
	}
}

func FuzzPassVerify(f *testing.F) {
	keys := NewPassKeys(testSecret, nil, nil)
	token := keys.Sign(testPass)
	f.Add(token)
	f.Add(token + "\n")
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := NewPassKeys(testSecret, nil, nil).Verify(text, "drop", passIssued)
		if err == nil && NewPassKeys(testSecret, nil, nil).Sign(got) != text {
			t.Fatalf("believed %q, which we never signed", text)
		}
	})
}

func BenchmarkPassVerifyCached(b *testing.B) {
	keys := NewPassKeys(testSecret, nil, nil)
	token := keys.Sign(testPass)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Verify(token, "drop", passIssued); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPassVerifyBySignature(b *testing.B) {
	keys := NewPassKeys(testSecret, nil, nil)
	token := keys.Sign(testPass)
	for b.Loop() {
		if _, ok := keys.check(token); !ok {
			b.Fatal("refused")
		}
	}
}
