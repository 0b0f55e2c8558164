package identity

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const (
	// freshFor is how long fetched keys are used before they are fetched again, behind the visitors' backs.
	freshFor = 5 * time.Minute
	// StaleFor is how long fetched keys are used while they cannot be fetched again.
	StaleFor = 24 * time.Hour
	// askAgainAfter is the least time between two fetches from one address, also for a token that names a key
	// that is not known: anybody can write such a token.
	askAgainAfter = 10 * time.Second
	// maxSets bounds the sets that are kept.
	maxSets = 128
)

// keySets keeps the public keys of shops.
type keySets struct {
	fetch func(ctx context.Context, url string) ([]jose.JSONWebKey, error)

	mu     sync.Mutex
	remote map[string]*remoteSet
	inline map[[sha256.Size]byte][]jose.JSONWebKey
}

func newKeySets(options FetchOptions) *keySets {
	return &keySets{
		fetch: newFetcher(options).fetch, remote: make(map[string]*remoteSet), inline: make(map[[sha256.Size]byte][]jose.JSONWebKey),
	}
}

// of returns the public keys of a sale. A key id that is not among them has them fetched again, if that was not
// just done.
func (k *keySets) of(ctx context.Context, identity *sale.Identity, id string, now time.Time) ([]jose.JSONWebKey, error) {
	switch {
	case len(identity.JWKS) > 0:
		return k.inlineKeys(identity.JWKS), nil
	case identity.JWKSURL != "":
		return k.remoteAt(identity.JWKSURL).keys(ctx, id, now)
	default:
		return nil, nil
	}
}

// inlineKeys reads the keys in a sale's document, once for each set.
func (k *keySets) inlineKeys(doc []byte) []jose.JSONWebKey {
	name := sha256.Sum256(doc)
	k.mu.Lock()
	defer k.mu.Unlock()
	keys, known := k.inline[name]
	if !known {
		keys, _ = parseKeys(doc) // a set that cannot be read has no key
		if len(k.inline) >= maxSets {
			clear(k.inline)
		}
		k.inline[name] = keys
	}
	return keys
}

func (k *keySets) remoteAt(url string) *remoteSet {
	k.mu.Lock()
	defer k.mu.Unlock()
	set := k.remote[url]
	if set == nil {
		if len(k.remote) >= maxSets {
			clear(k.remote)
		}
		set = &remoteSet{url: url, fetch: k.fetch}
		k.remote[url] = set
	}
	return set
}

// remoteSet is the set at one address.
type remoteSet struct {
	url   string
	fetch func(ctx context.Context, url string) ([]jose.JSONWebKey, error)

	mu       sync.Mutex
	known    []jose.JSONWebKey
	loadedAt time.Time // of known; zero when there are none
	triedAt  time.Time
	loading  chan struct{} // closed when the fetch that is under way is over; nil when there is none
}

// keys returns the set. It waits for a fetch only when there are no keys that may be used, or the one that is asked
// for is not among them.
func (r *remoteSet) keys(ctx context.Context, id string, now time.Time) ([]jose.JSONWebKey, error) {
	known, wait := r.look(id, now)
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
		}
		known, _ = r.usable(now)
	}
	if known == nil {
		return nil, problem.With(problem.Unavailable, "the keys of the shop cannot be had just now")
	}
	return known, nil
}

// look returns the keys, and what to wait for if they will not do. It begins a fetch when one is due.
func (r *remoteSet) look(id string, now time.Time) (known []jose.JSONWebKey, wait <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known = r.usableLocked(now)
	missing := known == nil || id != "" && !slices.ContainsFunc(known, func(key jose.JSONWebKey) bool { return key.KeyID == id })
	due := missing || now.Sub(r.loadedAt) >= freshFor
	if due && r.loading == nil && now.Sub(r.triedAt) >= askAgainAfter {
		r.triedAt, r.loading = now, make(chan struct{})
		go r.load(now)
	}
	if missing && r.loading != nil {
		return known, r.loading
	}
	return known, nil
}

// load fetches the keys. The visitors that wait for it have time-outs of their own.
func (r *remoteSet) load(now time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	keys, err := r.fetch(ctx, r.url)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.known, r.loadedAt = keys, now
	}
	close(r.loading)
	r.loading = nil
}

func (r *remoteSet) usable(now time.Time) (known []jose.JSONWebKey, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known = r.usableLocked(now)
	return known, known != nil
}

func (r *remoteSet) usableLocked(now time.Time) []jose.JSONWebKey {
	if r.loadedAt.IsZero() || now.Sub(r.loadedAt) > StaleFor {
		return nil
	}
	return r.known
}
