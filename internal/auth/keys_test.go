package auth

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// book is a ledger of keys that can be struck down.
type book struct {
	keys  map[string]Identity
	down  bool
	asked int
}

func (b *book) lookup(_ context.Context, hash string) (Identity, bool, error) {
	b.asked++
	if b.down {
		return Identity{}, false, errors.New("connection refused")
	}
	identity, ok := b.keys[hash]
	return identity, ok, nil
}

func oneKey(role Role) (plain, hash string, b *book) {
	plain, hash = NewKey()
	return plain, hash, &book{keys: map[string]Identity{hash: {KeyID: "key_1", Name: "till", Role: role}}}
}

func expect(t *testing.T, keys *Keys, bearer string, want error) {
	t.Helper()
	identity, err := keys.Authenticate(t.Context(), bearer)
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if (err == nil) != (identity.Role != 0) {
		t.Fatalf("identity %+v with error %v", identity, err)
	}
}

func TestANewKeyIsRecognisedByItsHash(t *testing.T) {
	plain, hash, b := oneKey(Operator)
	if !strings.HasPrefix(plain, "pk_") || len(plain) != 46 || len(hash) != 64 {
		t.Fatalf("key %q hash %q", plain, hash)
	}
	got, err := NewKeys("", b.lookup).Authenticate(t.Context(), plain)
	if err != nil || !reflect.DeepEqual(got, Identity{KeyID: "key_1", Name: "till", Role: Operator}) {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestTheBootstrapKeyWorksWithTheLedgerDown(t *testing.T) {
	b := &book{down: true}
	keys := NewKeys("let me in", b.lookup)
	got, err := keys.Authenticate(t.Context(), "let me in")
	if err != nil || got.Role != Admin || b.asked != 0 {
		t.Fatalf("got %+v, %v, asked %d", got, err, b.asked)
	}
	expect(t, keys, "let me in ", problem.Unauthorized)
}

func TestAnEmptyBootstrapKeyLetsNobodyIn(t *testing.T) {
	b := &book{}
	expect(t, NewKeys("", b.lookup), "", problem.Unauthorized)
}

func TestTheLedgerIsNotAskedAboutWhatCannotBeAKey(t *testing.T) {
	_, _, b := oneKey(Viewer)
	keys := NewKeys("", b.lookup)
	plain, _ := NewKey()
	for _, bad := range []string{"", "pk_", "nonsense", plain + "A", plain[:45], "pk_" + strings.Repeat("!", 43), strings.Repeat("x", 1<<20)} {
		expect(t, keys, bad, problem.Unauthorized)
	}
	if b.asked != 0 {
		t.Fatalf("asked %d times", b.asked)
	}
	expect(t, keys, plain, problem.Unauthorized)
	if b.asked != 1 {
		t.Fatalf("asked %d times about a well-formed key", b.asked)
	}
}

func TestADeletedKeyDiesWithinTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, hash, b := oneKey(Admin)
		keys := NewKeys("", b.lookup)
		expect(t, keys, plain, nil)
		expect(t, keys, plain, nil)
		if b.asked != 1 {
			t.Fatalf("asked %d times within the cache's time", b.asked)
		}
		delete(b.keys, hash)
		time.Sleep(10 * time.Second)
		expect(t, keys, plain, problem.Unauthorized)
	})
}

func TestForgettingAKeyAsksAtOnce(t *testing.T) {
	plain, hash, b := oneKey(Admin)
	keys := NewKeys("", b.lookup)
	expect(t, keys, plain, nil)
	delete(b.keys, hash)
	keys.Forget(hash)
	expect(t, keys, plain, problem.Unauthorized)
}

func TestALedgerThatIsDownIsNotTakenForANo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, _, b := oneKey(Shop)
		keys := NewKeys("", b.lookup)
		b.down = true
		expect(t, keys, plain, problem.Unavailable)
		b.down = false
		expect(t, keys, plain, nil)
		b.down = true
		time.Sleep(graceFor - time.Second)
		expect(t, keys, plain, nil) // the ledger vouched for it lately
		time.Sleep(time.Second)
		expect(t, keys, plain, problem.Unavailable)
	})
}

func TestOnlyOneOfManyAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, hash, b := oneKey(Shop)
		var asking atomic.Int32
		slow := func(ctx context.Context, h string) (Identity, bool, error) {
			asking.Add(1)
			time.Sleep(time.Second)
			return b.keys[h], h == hash, nil
		}
		keys := NewKeys("", slow)
		expect(t, keys, plain, nil)
		time.Sleep(freshFor)
		for range 50 {
			go func() { _, _ = keys.Authenticate(context.Background(), plain) }()
		}
		synctest.Wait()
		if n := asking.Load(); n != 2 {
			t.Fatalf("%d lookups, want the first and one more", n)
		}
		time.Sleep(time.Second)
	})
}

func TestTheMemoryOfAnswersIsBoundedAndKeepsTheGoodOnes(t *testing.T) {
	m := newAnswers(10)
	now := time.Now()
	m.keep("good", answer{found: true, at: now})
	for i := range 1000 {
		m.keep(fmt.Sprint("bad", i), answer{at: now})
	}
	if len(m.byHash) > 10 {
		t.Fatalf("%d answers kept", len(m.byHash))
	}
	if _, state := m.find("good", now); state != usable {
		t.Fatal("garbage drove out a good answer")
	}
	for i := range 1000 {
		m.keep(fmt.Sprint("fine", i), answer{found: true, at: now})
	}
	if len(m.byHash) > 10 {
		t.Fatalf("%d answers kept", len(m.byHash))
	}
}

func TestBearerReadsTheHeader(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer abc": "abc", "bearer  abc ": "abc", "Basic abc": "", "abc": "", "": "", "Bearer": "",
	} {
		if got := Bearer(header); got != want {
			t.Errorf("Bearer(%q) = %q, want %q", header, got, want)
		}
	}
}
