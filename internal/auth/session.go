package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// SessionTTL is how long a signed-in browser stays signed in.
const SessionTTL = 12 * time.Hour

const (
	sessionVersion   = 1
	sessionIDBytes   = 16
	fingerprintBytes = 32
	// A session is version, kind of key, id, expiry in unix seconds, fingerprint of the key.
	sessionBytes = 2 + sessionIDBytes + 8 + fingerprintBytes
	// maxSignedOut bounds the sessions remembered as signed out before their expiry.
	maxSignedOut = 10_000
)

const (
	ledgerKey    byte = 'k' // the fingerprint is the key's SHA-256
	bootstrapKey byte = 'b' // the fingerprint is a MAC of it: a key chosen by a person may be guessed from a hash
)

// Session is a signed-in browser.
type Session struct {
	Identity
	ExpiresAt time.Time
	// CSRF must come back with every form that the session posts.
	CSRF string

	id [sessionIDBytes]byte
}

// Sessions issues and opens the console's cookies. They are signed, not stored; each use asks
// again whether the key that opened it still exists.
type Sessions struct {
	secrets [][]byte // the first signs, all are believed
	keys    *Keys
	now     func() time.Time

	mu        sync.Mutex
	signedOut map[[sessionIDBytes]byte]time.Time // until when it would have been valid
}

// NewSessions signs with a key derived from the secret, which is 32 bytes or more. Sessions that were
// signed with one of the others, former secrets or the next, are believed too.
func NewSessions(secret []byte, keys *Keys, now func() time.Time, others ...[]byte) *Sessions {
	s := &Sessions{keys: keys, now: now, signedOut: make(map[[sessionIDBytes]byte]time.Time)}
	for _, one := range append([][]byte{secret}, others...) {
		s.secrets = append(s.secrets, mac(one, "penstock console session v1"))
	}
	return s
}

// SignIn opens a session for the holder of an API key and returns the cookie's value. It fails as
// Authenticate does, and with problem.Forbidden for a shop's key.
func (s *Sessions) SignIn(ctx context.Context, plain string) (token string, signedIn Session, err error) {
	identity, err := s.keys.Authenticate(ctx, plain)
	if err != nil {
		return "", Session{}, err
	}
	if !identity.May(Viewer) {
		return "", Session{}, problem.With(problem.Forbidden, "a shop's key cannot sign in to the console")
	}
	raw := make([]byte, 0, sessionBytes+sha256.Size)
	raw = append(raw, sessionVersion)
	var id [sessionIDBytes]byte
	rand.Read(id[:])
	expires := s.now().Add(SessionTTL)
	secret := s.secrets[0]
	kind, fp := s.fingerprint(secret, identity, plain)
	raw = append(raw, kind)
	raw = append(raw, id[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(expires.Unix()))
	raw = append(raw, fp...)
	raw = append(raw, mac(secret, string(raw))...)
	return base64.RawURLEncoding.EncodeToString(raw), session(secret, identity, expires, id), nil
}

// Open checks a cookie: the signature, the expiry, that it has not been signed out here, and that
// its key still exists, whose role at this moment counts. It fails with problem.Unauthorized, or
// problem.Unavailable when the ledger cannot be asked.
func (s *Sessions) Open(ctx context.Context, token string) (Session, error) {
	raw, secret, err := s.verify(token)
	if err != nil {
		return Session{}, err
	}
	id := [sessionIDBytes]byte(raw[2 : 2+sessionIDBytes])
	rest := raw[2+sessionIDBytes:]
	expires := time.Unix(int64(binary.BigEndian.Uint64(rest)), 0)
	if !s.now().Before(expires) || s.isSignedOut(id) {
		return Session{}, problem.Unauthorized
	}
	identity, err := s.holder(ctx, secret, raw[1], rest[8:])
	if err != nil {
		return Session{}, err
	}
	return session(secret, identity, expires, id), nil
}

// verify returns what was signed, and the secret with which it was.
func (s *Sessions) verify(token string) (body, secret []byte, err error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(sessionBytes+sha256.Size) {
		return nil, nil, problem.Unauthorized
	}
	// Strict: without it the spare bits at the end could differ and the token still be the same.
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, nil, problem.Unauthorized
	}
	body, sum := raw[:sessionBytes], raw[sessionBytes:]
	for _, secret := range s.secrets {
		if hmac.Equal(sum, mac(secret, string(body))) && body[0] == sessionVersion {
			return body, secret, nil
		}
	}
	return nil, nil, problem.Unauthorized
}

func (s *Sessions) holder(ctx context.Context, secret []byte, kind byte, fp []byte) (Identity, error) {
	switch kind {
	case ledgerKey:
		identity, err := s.keys.byHash(ctx, hex.EncodeToString(fp))
		if err == nil && !identity.May(Viewer) {
			err = problem.Unauthorized
		}
		return identity, err
	case bootstrapKey:
		if s.keys.hasBootstrap && hmac.Equal(fp, mac(secret, string(s.keys.bootstrap[:]))) {
			return bootstrapIdentity(), nil
		}
	}
	return Identity{}, problem.Unauthorized
}

func (s *Sessions) fingerprint(secret []byte, identity Identity, plain string) (kind byte, fp []byte) {
	sum := sha256.Sum256([]byte(plain))
	if identity.KeyID == BootstrapKeyID && s.keys.isBootstrap(plain) {
		return bootstrapKey, mac(secret, string(s.keys.bootstrap[:]))
	}
	return ledgerKey, sum[:]
}

func session(secret []byte, identity Identity, expires time.Time, id [sessionIDBytes]byte) Session {
	csrf := mac(secret, "csrf"+string(id[:]))
	return Session{Identity: identity, ExpiresAt: expires, id: id, CSRF: base64.RawURLEncoding.EncodeToString(csrf)}
}

// ValidCSRF compares the token of a form with the session's, in constant time.
func (session Session) ValidCSRF(token string) bool {
	return session.CSRF != "" && subtle.ConstantTimeCompare([]byte(token), []byte(session.CSRF)) == 1
}

// SignOut ends the session on this node before its time. The browser's cookie is the caller's to
// clear; another node would take a stolen copy until it expires or the key is deleted.
func (s *Sessions) SignOut(session Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.signedOut) >= maxSignedOut {
		s.dropSignedOut()
	}
	s.signedOut[session.id] = session.ExpiresAt
}

// dropSignedOut forgets those that have expired anyway, or one that has not when all have not.
func (s *Sessions) dropSignedOut() {
	now := s.now()
	for id, until := range s.signedOut {
		if !now.Before(until) {
			delete(s.signedOut, id)
		}
	}
	for id := range s.signedOut {
		if len(s.signedOut) < maxSignedOut {
			return
		}
		delete(s.signedOut, id)
	}
}

func (s *Sessions) isSignedOut(id [sessionIDBytes]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, out := s.signedOut[id]
	return out
}

func mac(secret []byte, text string) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(text))
	return h.Sum(nil)
}
