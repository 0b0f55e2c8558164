package auth

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

var stranger = netip.MustParseAddr("192.0.2.1")

// knock tries a key from an address and returns the code of the refusal, "" when it was recognised.
func knock(t *testing.T, d *Door, key string, from netip.Addr) problem.Code {
	t.Helper()
	_, err := d.Authenticate(t.Context(), key, from, time.Now())
	var code problem.Code
	if err != nil && !errors.As(err, &code) {
		t.Fatal(err)
	}
	return code
}

// guess tries wrong keys until the address is limited.
func guess(t *testing.T, d *Door, from netip.Addr) {
	t.Helper()
	for range failBurst {
		if code := knock(t, d, "a-wrong-guess", from); code != problem.Unauthorized {
			t.Fatalf("a wrong key: %q", code)
		}
	}
	if code := knock(t, d, "a-wrong-guess", from); code != problem.RateLimited {
		t.Fatalf("one guess too many: %q", code)
	}
}

func TestGuessesAtAShortKeyAreLimitedAlsoTheRightOne(t *testing.T) {
	d := NewDoor(NewKeys("repro-admin-key", (&book{}).lookup), NewAttempts())
	guess(t, d, stranger)
	if code := knock(t, d, "repro-admin-key", stranger); code != problem.RateLimited {
		t.Fatalf("the right guess, one too many: %q", code)
	}
	if code := knock(t, d, "repro-admin-key", netip.MustParseAddr("192.0.2.2")); code != "" {
		t.Fatalf("another address pays for it: %q", code)
	}
}

func TestAKeyThatNobodyCanGuessIsNotHeldUpByGuessers(t *testing.T) {
	plain, _, b := oneKey(Operator)
	strong := "a-bootstrap-key-of-32-characters"
	d := NewDoor(NewKeys(strong, b.lookup), NewAttempts())
	if code := knock(t, d, plain, stranger); code != "" { // the ledger vouches for it
		t.Fatal(code)
	}
	guess(t, d, stranger)
	for name, key := range map[string]string{"vouched for": plain, "strong": strong} {
		if code := knock(t, d, key, stranger); code != "" {
			t.Errorf("a key that is %s: %q", name, code)
		}
	}
	unknown, _ := NewKey()
	if code := knock(t, d, unknown, stranger); code != problem.RateLimited {
		t.Errorf("a key that nobody knows: %q", code)
	}
}

func TestNoKeyAndASilentLedgerAreNoGuesses(t *testing.T) {
	plain, _, _ := oneKey(Viewer)
	d := NewDoor(NewKeys("boot", (&book{down: true}).lookup), NewAttempts())
	for range 2 * failBurst {
		if code := knock(t, d, "", stranger); code != problem.Unauthorized {
			t.Fatalf("no key: %q", code)
		}
		if code := knock(t, d, plain, stranger); code != problem.Unavailable {
			t.Fatalf("a key that the ledger cannot be asked about: %q", code)
		}
	}
}

func TestFailuresFromManyAddressesLockNobodyOutWhereKeysAreRandom(t *testing.T) {
	d := NewDoor(NewKeys("", (&book{}).lookup), NewAttemptsByAddress())
	for i := range byte(2 * failBurstAll / failBurst) {
		guess(t, d, netip.AddrFrom4([4]byte{10, 0, 0, i}))
	}
	if code := knock(t, d, "a-wrong-guess", stranger); code != problem.Unauthorized {
		t.Fatalf("the first guess of an address: %q", code)
	}
}

func TestARefusalForGuessesSaysWhenToComeBack(t *testing.T) {
	d := NewDoor(NewKeys("boot", (&book{}).lookup), NewAttempts())
	guess(t, d, stranger)
	_, err := d.Authenticate(context.Background(), "boot", stranger, time.Now())
	if doc, _ := problem.Of(err); doc.Status != 429 || doc.RetryAfterSeconds < 1 || doc.RetryAfterSeconds > int(failEvery.Seconds()) {
		t.Fatalf("%+v", doc)
	}
}
