package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	joinSecret = "a-secret-that-the-shop-has-as-well"
	joinKeys   = "PENSTOCK_JOIN_KEYS=k1:" + joinSecret
)

// joinTokenOf is what the shop signs for a customer.
func joinTokenOf(t testing.TB, saleID, customer string) string {
	t.Helper()
	return laneTokenOf(t, saleID, customer, "")
}

// laneTokenOf is what the shop signs for a customer whom it gives a lane, "" for none.
func laneTokenOf(t testing.TB, saleID, customer, lane string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(joinSecret)}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Subject: customer, Audience: jwt.Audience{saleID}, Expiry: jwt.NewNumericDate(time.Now().Add(10 * time.Minute)),
	}).Claims(struct {
		Lane string `json:"lane,omitempty"`
	}{lane}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestInvitesGoFromTheCommandLineToTheLine(t *testing.T) {
	s := newServer(t, joinKeys)
	s.start()
	s.createSale("drop", 10, map[string]any{
		"identity":  map[string]any{"invite_only": true},
		"admission": map[string]any{"lanes": []map[string]any{{"name": "vip", "share": 0.2}}},
	})
	file := filepath.Join(t.TempDir(), "invites.csv")
	if err := os.WriteFile(file, []byte("code\nPRESS-0001\nPRESS-0002\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(want string, args ...string) string {
		t.Helper()
		out, code := s.command(append(args, "--sale", "drop")...)
		if code != 0 || !strings.Contains(out, want) {
			t.Fatalf("%v: exit %d\n%s", args, code, out)
		}
		return out
	}
	run("2 invites imported, 0 were there already", "invites", "import", "-f", file, "--batch", "press")
	run("0 invites imported, 2 were there already", "invites", "import", "-f", file, "--batch", "press")
	made := strings.Fields(run("code", "invites", "generate", "--batch", "members", "--count", "3"))
	if len(made) != 4 {
		t.Fatalf("made %q", made)
	}
	join := func(status int, code string) answer {
		return must(t, status, call{method: "POST", url: s.front + "/v1/sales/drop/tickets", body: map[string]any{"invite": code}})
	}
	join(http.StatusCreated, made[1])
	if got := join(http.StatusForbidden, made[1]).text("reason"); got != "invite_used" {
		t.Fatalf("again: %s", got)
	}
	run("1 invites revoked", "invites", "revoke", "--code", made[2])
	if got := join(http.StatusForbidden, made[2]).text("reason"); got != "invite_invalid" {
		t.Fatalf("revoked: %s", got)
	}
	vip := strings.Fields(run("code", "invites", "generate", "--batch", "members", "--count", "1", "--lane", "vip"))
	join(http.StatusCreated, vip[1])
	testenv.Eventually(t, 5*time.Second, "one place is in the lane vip", func() bool {
		doc := must(t, http.StatusOK, call{method: "GET", url: s.front + "/v1/sales/drop"})
		return strings.Contains(string(doc.raw), `"entrants":1`) && strings.Contains(string(doc.raw), `"lanes":[{"name":"vip","called":1,"entrants":1}]`)
	})
	if out, code := s.command("invites", "generate", "--batch", "members", "--count", "1", "--lane", "staff", "--sale", "drop"); code == 0 || !strings.Contains(out, `no lane "staff"`) {
		t.Fatalf("invites for a lane that the sale does not have: exit %d\n%s", code, out)
	}
	run("2 invites revoked", "invites", "revoke", "--batch", "press")
	list := strings.Join(strings.Fields(run("BATCH", "invites", "list")), " ")
	if !strings.Contains(list, "all 6 2 3") {
		t.Fatalf("%s", list)
	}
}
