package reservation

import (
	"context"
	"testing"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

func TestARepetitionUnderAFormerSecretFindsItsReservation(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		secrets := [][]byte{[]byte("the first secret of thirty-two bytes"), []byte("the second secret of thirty-two byte"), []byte("the third secret of thirty-two bytes")}
		with := func(secret []byte, former ...[]byte) *Stock {
			return open(t, client, drop(), func(d *Deps) { d.Secret, d.PreviousSecrets = secret, former })
		}
		first := mustReserve(t, with(secrets[0]), ask1("1", "ann", 4))
		second := mustReserve(t, with(secrets[1], secrets[0]), ask1("2", "bob", 4))
		now := with(secrets[2], secrets[1], secrets[0])
		check := func() {
			t.Helper()
			if again := mustReserve(t, now, ask1("1", "ann", 4)); again.ID != first.ID {
				t.Fatalf("the repetition of the first got %s, not %s", again.ID, first.ID)
			}
			if again := mustReserve(t, now, ask1("2", "bob", 4)); again.ID != second.ID {
				t.Fatalf("the repetition of the second got %s, not %s", again.ID, second.ID)
			}
			_, _, err := now.Reserve(ctx, ask1("1", "ann", 3))
			wantCode(t, err, problem.IdempotencyMismatch)
		}
		check()
		wantCounts(t, client, "SHOE", 2, 8, 0)
		third := mustReserve(t, now, ask1("3", "cem", 2))
		if again := mustReserve(t, now, ask1("3", "cem", 2)); again.ID != third.ID {
			t.Fatalf("the repetition got %s, not %s", again.ID, third.ID)
		}
		remembers(t, now) // the shoes are sold out, and the node answers from memory
		check()
		_, _, err := now.Reserve(ctx, ask1("4", "dan", 1))
		wantCode(t, err, problem.SoldOut)
		if _, err := now.Confirm(ctx, confirmation(first.ID, "o", 1)); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, client, "SHOE", 0, 6, 4)
	})
}
