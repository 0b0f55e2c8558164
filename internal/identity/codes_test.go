package identity

import (
	"context"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/ledger"
)

func TestAnInviteMayBeTypedInSeveralWays(t *testing.T) {
	for typed, want := range map[string]string{
		"ABCD-EFGH": "ABCDEFGH", "abcd efgh": "ABCDEFGH", " a-b c-d-e-f-g-h ": "ABCDEFGH", "12345678": "12345678",
		"1234567": "", "": "", "ABCD_EFGH": "", "ABCDÉFGH": "", strings.Repeat("A", 65): "", strings.Repeat("A", 64): strings.Repeat("A", 64),
	} {
		if got, err := CheckCode(typed); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", typed, got, err)
		}
	}
}

func TestNewInvitesAreGoodAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		code := NewCode()
		plain, err := CheckCode(code)
		if err != nil || len(plain) != 16 || len(code) != 19 || seen[plain] {
			t.Fatalf("%q: %v", code, err)
		}
		seen[plain] = true
	}
}

func TestWhatIsStoredOfAnInviteTellsNobodyTheCode(t *testing.T) {
	codes, other := NewCodes([]byte("one"), []byte("former")), NewCodes([]byte("former"))
	got := codes.Hashes("spring", "12345678")
	if len(got) != 2 || got[0] == got[1] || got[1] != other.Hashes("spring", "12345678")[0] || got[0] == codes.Hashes("autumn", "12345678")[0] {
		t.Fatal(got)
	}
}

func TestWhatIsNoCodeIsNotLookedUp(t *testing.T) {
	invites := NewInvites(NewCodes([]byte("secret")), func(context.Context, []ledger.InviteUse) ([]ledger.InviteUsed, error) {
		t.Error("the ledger was asked")
		return nil, nil
	})
	if got, err := invites.Use(t.Context(), "spring", "x", nil); got.State != ledger.InviteUnknown || err != nil {
		t.Fatal(got, err)
	}
}
