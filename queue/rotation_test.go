package queue

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/testenv"
)

func keyIDs(t *testing.T, k *PassKeys) map[string]bool {
	t.Helper()
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(k.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, key := range set.Keys {
		ids[key["kid"]] = true
	}
	if len(ids) != len(set.Keys) {
		t.Fatalf("a key is published twice: %s", k.JWKS())
	}
	return ids
}

// TestARotationInThreeStepsLosesNoTicketAndNoPass has nodes of each step and of the one before side by side.
func TestARotationInThreeStepsLosesNoTicketAndNoPass(t *testing.T) {
	old, fresh := []byte("the old secret"), []byte("the new secret")
	list := func(secrets ...[]byte) [][]byte { return secrets }
	steps := []struct {
		name    string
		passes  *PassKeys
		tickets *TicketKeys
	}{
		{"announced", NewPassKeys(old, nil, list(fresh)), NewTicketKeys(old, nil, list(fresh))},
		{"changed", NewPassKeys(fresh, list(old), nil), NewTicketKeys(fresh, list(old), nil)},
	}
	for _, signer := range steps {
		for _, reader := range steps {
			ticket := Ticket{Sale: "drop", Number: 7, IssuedMillis: 1}
			if got, err := reader.tickets.Parse([]byte(signer.tickets.Sign(ticket)), "drop"); err != nil || got != ticket {
				t.Errorf("a ticket of %s on %s: %+v, %v", signer.name, reader.name, got, err)
			}
			token := signer.passes.Sign(testPass)
			if got, err := reader.passes.Verify(token, "drop", passIssued); err != nil || got != testPass {
				t.Errorf("a pass of %s on %s: %+v, %v", signer.name, reader.name, got, err)
			}
		}
		if ids := keyIDs(t, signer.passes); len(ids) != 2 {
			t.Errorf("%s publishes %d keys", signer.name, len(ids))
		}
	}
	if _, err := NewPassKeys(old, nil, nil).Verify(steps[1].passes.Sign(testPass), "drop", passIssued); err == nil {
		t.Error("a key that was never announced is believed")
	}
	if NewPassKeys(old, nil, list(fresh)).Sign(testPass) != NewPassKeys(old, nil, nil).Sign(testPass) {
		t.Error("a next key signs")
	}
}

func TestMoreKeysThanAreTakenAreIgnored(t *testing.T) {
	var many [][]byte
	for i := range byte(20) {
		many = append(many, []byte{i})
	}
	k := NewPassKeys(testSecret, append(many, testSecret), [][]byte{[]byte("next")})
	if ids := keyIDs(t, k); len(ids) != maxPassKeys || !ids[newPassKey([]byte("next")).id] {
		t.Fatalf("%d keys", len(ids))
	}
}

func TestAClaimThatIsRepeatedAfterARotationGivesTheSamePass(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := testSale(time.Now())
		r := openRoom(t, client, rec, nil)
		ticket := join(t, r, 1)[0]
		advance(t, r, plenty)
		pass, token, _, err := r.Claim(context.Background(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		deps := testDeps(client, nil)
		deps.Passes = NewPassKeys([]byte("the new secret"), [][]byte{testSecret}, nil)
		rotated := OpenRoom(deps, rec)
		t.Cleanup(rotated.Close)
		again, second, repeated, err := rotated.Claim(context.Background(), ticket)
		if err != nil || !repeated || again != pass || second == token {
			t.Fatalf("%+v, repeated %v, %v; the first was %+v", again, repeated, err, pass)
		}
		for _, token := range []string{token, second} {
			if got, err := deps.Passes.Verify(token, rec.ID, pass.IssuedAt); err != nil || got != pass {
				t.Errorf("%+v, %v", got, err)
			}
		}
	})
}
