//go:build connectors

package conformance

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	joinSecret = "the-secret-of-the-shop-and-the-room"
	// clocksMayDiffer is for how long after its end a token is taken.
	clocksMayDiffer = 30 * time.Second
)

// signer is the example program of a connector that prints a join token.
type signer struct {
	dir     string
	command []string
}

func signers(t *testing.T) map[string]signer {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "jointoken")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./example/jointoken")
	build.Dir = "../go"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return map[string]signer{
		"go":   {"../go", []string{binary}},
		"node": {"../node", []string{"node", "example/join-token.js"}},
		"php":  {"../php", []string{"php", "example/join-token.php"}},
	}
}

// sign is what a connector makes of a customer of the sale, with more settings besides.
func (s signer) sign(t *testing.T, customer string, settings ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.command[0], s.command[1:]...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "PENSTOCK_SALE="+sale, "JOIN_CUSTOMER="+customer, "JOIN_SECONDS=300")
	cmd.Env = append(cmd.Env, settings...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", s.command, err)
	}
	return strings.TrimSpace(string(out))
}

// join returns the status of a join with a token, and the ticket or the reason of the refusal.
func join(t *testing.T, r *room, token string) (status int, ticket, reason string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"join_token": token})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(r.url+"/v1/sales/"+sale+"/tickets", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct{ Ticket, Reason string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer.Ticket, answer.Reason
}

// keyPair is a key in PEM, and the key set that tells its public part.
func keyPair(t *testing.T, id string) (private string, set map[string]any) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), map[string]any{
		"keys": []any{map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": id, "x": base64.RawURLEncoding.EncodeToString(public)}},
	}
}

func TestJoinTokensOfAllConnectorsNameTheSameCustomer(t *testing.T) {
	all := signers(t)
	r := openRoom(t)
	r.serve("PENSTOCK_SECRET="+firstSecret, "PENSTOCK_JOIN_KEYS=shared:"+joinSecret)
	private, set := keyPair(t, "own")
	now := time.Now().UTC()
	r.admin(http.MethodPost, "", map[string]any{
		"id": sale, "name": sale, "starts_at": now.Add(time.Hour), "opens_at": now.Add(-time.Second), "ends_at": now.Add(2 * time.Hour),
		"admission": map[string]any{"lanes": []any{map[string]any{"name": "vip", "share": 0.2}}},
		"identity":  map[string]any{"join_token": "required", "shared_keys": []string{"shared"}, "jwks": set},
		"items":     []any{map[string]any{"sku": "A", "stock": 100}},
	})
	testenv.Eventually(t, startLimit, "the front knows the sale", func() bool { return answers(r.url+"/v1/sales/"+sale, http.StatusOK) })

	places := map[string]string{}
	for kind, settings := range map[string][]string{
		"HS256": {"JOIN_KEY=" + joinSecret, "JOIN_KEY_ID=shared"}, "EdDSA": {"JOIN_KEY=" + private, "JOIN_KEY_ID=own"},
	} {
		for connector, signer := range all {
			status, ticket, reason := join(t, r, signer.sign(t, "Zoë/7", append(settings, "JOIN_LANE=vip")...))
			if want := http.StatusOK; status != want && (status != http.StatusCreated || len(places) > 0) {
				t.Errorf("%s of %s: %d %s", kind, connector, status, reason)
			}
			places[ticket] = connector
		}
	}
	if len(places) != 1 {
		t.Errorf("one customer has %d places: %v", len(places), places)
	}

	wrongTokensAreRefused(t, r, all)
}

// wrongTokensAreRefused waits once for the end of a token, which no connector signs in the past.
func wrongTokensAreRefused(t *testing.T, r *room, all map[string]signer) {
	shared := []string{"JOIN_KEY=" + joinSecret, "JOIN_KEY_ID=shared"}
	expired := map[string]string{}
	for connector, signer := range all {
		expired[connector] = signer.sign(t, "customer-9", append(shared, "JOIN_SECONDS=1")...)
	}
	expires := time.Now().Add(time.Second + clocksMayDiffer + time.Second)
	for connector, signer := range all {
		good := signer.sign(t, "customer-8", shared...)
		for what, token := range map[string]string{
			"with a forged lane":               withClaim(t, good, "lane", "vip"),
			"with another customer":            withClaim(t, good, "sub", "Zoë/7"),
			"with a changed end":               withClaim(t, expired[connector], "exp", time.Now().Add(time.Hour).Unix()),
			"that is unsigned":                 unsigned(good),
			"signed with another secret":       signer.sign(t, "customer-8", "JOIN_KEY="+secondSecret, "JOIN_KEY_ID=shared"),
			"with the id of another key":       signer.sign(t, "customer-8", "JOIN_KEY="+joinSecret, "JOIN_KEY_ID=own"),
			"with the id of a key of nobody's": signer.sign(t, "customer-8", "JOIN_KEY="+joinSecret, "JOIN_KEY_ID=stranger"),
			"for another sale":                 signer.sign(t, "customer-8", append(shared, "PENSTOCK_SALE=another")...),
		} {
			if status, _, reason := join(t, r, token); status != http.StatusForbidden || reason != "token_invalid" {
				t.Errorf("%s: a token %s: %d %s", connector, what, status, reason)
			}
		}
		if status, _, reason := join(t, r, good); status != http.StatusCreated && status != http.StatusOK {
			t.Errorf("%s: a good token: %d %s", connector, status, reason)
		}
	}
	<-time.After(time.Until(expires))
	for connector, token := range expired {
		if status, _, reason := join(t, r, token); status != http.StatusForbidden || reason != "token_expired" {
			t.Errorf("%s: an expired token: %d %s", connector, status, reason)
		}
	}
}

// unsigned is the token as one whose header says that it needs no signature.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	return encoded(`{"alg":"none","kid":"shared","typ":"JWT"}`) + "." + parts[1] + "."
}

// withClaim changes a claim of a token and leaves its signature.
func withClaim(t *testing.T, token, name string, value any) string {
	t.Helper()
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	claims[name] = value
	changed, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return parts[0] + "." + encoded(string(changed)) + "." + parts[2]
}
