package auth

import (
	"encoding/base64"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

var testSecret = []byte("0123456789abcdef0123456789abcdef")

func open(t *testing.T, s *Sessions, token string, want error) Session {
	t.Helper()
	session, err := s.Open(t.Context(), token)
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	return session
}

func signIn(t *testing.T, s *Sessions, key string) (string, Session) {
	t.Helper()
	token, session, err := s.SignIn(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return token, session
}

func TestASessionOpensWithTheRoleThatTheKeyHasNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, hash, b := oneKey(Operator)
		s := NewSessions(testSecret, NewKeys("boot", b.lookup), time.Now)
		token, signed := signIn(t, s, plain)
		again := open(t, s, token, nil)
		if again.Role != Operator || again.CSRF != signed.CSRF || !again.ValidCSRF(signed.CSRF) {
			t.Fatalf("got %+v", again)
		}
		b.keys[hash] = Identity{KeyID: "key_1", Role: Viewer}
		time.Sleep(staleFor)
		if got := open(t, s, token, nil); got.Role != Viewer {
			t.Fatalf("role %s", got.Role)
		}
	})
}

func TestASessionEndsWithItsTimeItsKeyAndItsSigningOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, hash, b := oneKey(Operator)
		s := NewSessions(testSecret, NewKeys("boot", b.lookup), time.Now)
		byKey, _ := signIn(t, s, plain)
		byBoot, session := signIn(t, s, "boot")
		other, _ := signIn(t, s, "boot")

		delete(b.keys, hash)
		time.Sleep(staleFor)
		open(t, s, byKey, problem.Unauthorized)

		open(t, s, byBoot, nil)
		s.SignOut(session)
		open(t, s, byBoot, problem.Unauthorized)

		time.Sleep(SessionTTL - staleFor - time.Second)
		open(t, s, other, nil)
		time.Sleep(time.Second)
		open(t, s, other, problem.Unauthorized)
	})
}

func TestATamperedSessionIsRefused(t *testing.T) {
	plain, _, b := oneKey(Admin)
	keys := NewKeys("boot", b.lookup)
	s := NewSessions(testSecret, keys, time.Now)
	token, _ := signIn(t, s, plain)
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		bad := append([]byte(nil), raw...)
		bad[i] ^= 1
		open(t, s, base64.RawURLEncoding.EncodeToString(bad), problem.Unauthorized)
	}
	for _, bad := range []string{"", "x", token + "A", token[1:], plain} {
		open(t, s, bad, problem.Unauthorized)
	}
	stranger := NewSessions([]byte("another secret of thirty-two bytes"), keys, time.Now)
	open(t, stranger, token, problem.Unauthorized)
}

func TestAChangedBootstrapKeyEndsItsSessions(t *testing.T) {
	b := &book{down: true}
	token, _ := signIn(t, NewSessions(testSecret, NewKeys("old", b.lookup), time.Now), "old")
	open(t, NewSessions(testSecret, NewKeys("old", b.lookup), time.Now), token, nil)
	open(t, NewSessions(testSecret, NewKeys("new", b.lookup), time.Now), token, problem.Unauthorized)
	open(t, NewSessions(testSecret, NewKeys("", b.lookup), time.Now), token, problem.Unauthorized)
}

func TestAShopCannotSignIn(t *testing.T) {
	plain, _, b := oneKey(Shop)
	_, _, err := NewSessions(testSecret, NewKeys("", b.lookup), time.Now).SignIn(t.Context(), plain)
	if !errors.Is(err, problem.Forbidden) {
		t.Fatalf("got %v", err)
	}
}

func TestTheFormTokenOfAnotherSessionIsNotValid(t *testing.T) {
	s := NewSessions(testSecret, NewKeys("boot", (&book{}).lookup), time.Now)
	_, one := signIn(t, s, "boot")
	_, two := signIn(t, s, "boot")
	if one.CSRF == two.CSRF || one.ValidCSRF(two.CSRF) || one.ValidCSRF("") || (Session{}).ValidCSRF("") {
		t.Fatal("form tokens must be bound to their session")
	}
}

func TestSignedOutSessionsAreBounded(t *testing.T) {
	now := time.Now()
	s := NewSessions(testSecret, NewKeys("boot", (&book{}).lookup), func() time.Time { return now })
	for i := range maxSignedOut + 5 {
		s.SignOut(Session{ExpiresAt: now.Add(time.Hour), id: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}})
	}
	if len(s.signedOut) != maxSignedOut {
		t.Fatalf("%d kept", len(s.signedOut))
	}
}

func TestSessionsLiveThroughARotation(t *testing.T) {
	old, next := testSecret, []byte("another secret of thirty-two bytes")
	keys := NewKeys("boot", (&book{}).lookup)
	before := NewSessions(old, keys, time.Now, next) // the next secret is known and does not sign yet
	after := NewSessions(next, keys, time.Now, old)
	early, signed := signIn(t, before, "boot")
	if got := open(t, after, early, nil); !got.ValidCSRF(signed.CSRF) {
		t.Fatal("a form of before the rotation is refused after it")
	}
	late, _ := signIn(t, after, "boot")
	open(t, before, late, nil) // by a node that has not been restarted yet
	open(t, NewSessions(next, keys, time.Now), early, problem.Unauthorized)
	open(t, NewSessions(old, keys, time.Now), late, problem.Unauthorized)
}
