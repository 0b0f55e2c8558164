package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

const (
	// freshFor is how long an answer of the ledger is believed without asking again. A deleted key
	// is dead on every node within staleFor.
	freshFor = 5 * time.Second
	// staleFor is how long an answer may still be used while another request is asking again, so
	// that a busy shop's requests do not all ask at the same moment.
	staleFor = 10 * time.Second
	// graceFor is how long a key that was good is believed while the ledger cannot be asked: orders
	// are still accepted then, and the shop's backend must be able to place them. A key can only be
	// deleted while the ledger answers, and every node forgets it then.
	graceFor = 15 * time.Minute
	// maxCached bounds the answers kept, good and bad alike.
	maxCached = 4096
	// guessesAtOnce bounds the questions about keys that the ledger has not vouched for, and
	// guessTimeout each of them. Anybody may make keys up; a ledger that hangs must not hold up more
	// than a few requests for it. Keys that were good are not counted among them.
	guessesAtOnce = 16
	guessTimeout  = time.Second
)

// BootstrapKeyID is the id under which the key from the configuration acts.
const BootstrapKeyID = "bootstrap"

// Lookup finds the holder of a key by the key's Hash; false means that there is no such key.
type Lookup func(ctx context.Context, hash string) (Identity, bool, error)

// Keys recognises API keys. It is safe for concurrent use.
type Keys struct {
	bootstrap    [sha256.Size]byte
	hasBootstrap bool
	strong       bool // nobody can guess the bootstrap key
	lookup       Lookup
	answers      *answers
	guesses      chan struct{}
}

// NewKeys recognises the bootstrap key, unless it is empty, and the keys that lookup finds.
func NewKeys(bootstrap string, lookup func(ctx context.Context, hash string) (Identity, bool, error)) *Keys {
	return &Keys{
		bootstrap:    sha256.Sum256([]byte(bootstrap)),
		hasBootstrap: bootstrap != "",
		strong:       len(bootstrap) >= StrongKeyLength,
		lookup:       lookup,
		answers:      newAnswers(maxCached),
		guesses:      make(chan struct{}, guessesAtOnce),
	}
}

// Authenticate returns the holder of a key (without the word "Bearer"). It fails with
// problem.Unauthorized for an unknown key and with problem.Unavailable when the ledger cannot be
// asked about one that it has not vouched for lately. The bootstrap key needs no ledger.
func (k *Keys) Authenticate(ctx context.Context, bearer string) (Identity, error) {
	if len(bearer) > maxKeyLength {
		return Identity{}, problem.Unauthorized
	}
	if k.isBootstrap(bearer) {
		return bootstrapIdentity(), nil
	}
	if !wellFormed(bearer) {
		return Identity{}, problem.Unauthorized
	}
	return k.byHash(ctx, Hash(bearer))
}

// vouched reports that a key is known to be good, so that trying it cannot be a guess.
func (k *Keys) vouched(bearer string, now time.Time) bool {
	switch {
	case len(bearer) > maxKeyLength:
		return false
	case k.strong && k.isBootstrap(bearer):
		return true
	default:
		return wellFormed(bearer) && k.answers.vouches(Hash(bearer), now)
	}
}

// Forget drops what is remembered of a key, by its hash, so that this node asks again at once.
// Call it when the key is deleted.
func (k *Keys) Forget(hash string) { k.answers.forget(hash) }

// isBootstrap compares hashes, in constant time: neither the length nor the bytes can be probed.
func (k *Keys) isBootstrap(bearer string) bool {
	sum := sha256.Sum256([]byte(bearer))
	same := subtle.ConstantTimeCompare(sum[:], k.bootstrap[:]) == 1
	return same && k.hasBootstrap
}

func bootstrapIdentity() Identity {
	return Identity{KeyID: BootstrapKeyID, Name: BootstrapKeyID, Role: Admin}
}

func (k *Keys) byHash(ctx context.Context, hash string) (Identity, error) {
	known, state := k.answers.find(hash, time.Now())
	if state == usable {
		return known.identity()
	}
	if !known.found { // unknown, or known to be nobody's
		select {
		case k.guesses <- struct{}{}:
			defer func() { <-k.guesses }()
		default:
			k.answers.askAgain(hash)
			return Identity{}, problem.Retry(problem.Unavailable, "too many unknown API keys are being looked up; try again", 1)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, guessTimeout)
		defer cancel()
	}
	identity, found, err := k.lookup(ctx, hash)
	if err != nil {
		k.answers.askAgain(hash)
		if state == expired && known.found {
			return known.holder, nil
		}
		return Identity{}, fmt.Errorf("%w: looking up an API key: %w", problem.Unavailable, err)
	}
	answer := answer{holder: identity, found: found, at: time.Now()}
	k.answers.keep(hash, answer)
	return answer.identity()
}
