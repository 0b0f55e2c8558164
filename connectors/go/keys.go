package penstock

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// askEvery bounds how often keys are asked for, whatever visitors bring.
	askEvery = 10 * time.Second
	// minFresh and maxFresh bound what Penstock says of how long keys may be kept without asking.
	minFresh, maxFresh = askEvery, time.Hour
	defaultFresh       = 5 * time.Minute
	maxAnswerBytes     = 64 << 10
)

// keys are Penstock's public keys. A key is published before it signs and for a while after it, so that
// during a rotation the cached set has every key that is in use.
type keys struct {
	url      string
	client   *http.Client
	staleFor time.Duration

	mu      sync.Mutex
	byID    map[string]ed25519.PublicKey
	readAt  time.Time     // of byID
	fresh   time.Duration // from readAt on
	askedAt time.Time
	asking  chan struct{} // closed when the answer is there; nil while nobody asks
	failed  error         // of the last time, nil when it was answered
}

// find returns the key of an id. The error is errRefused when Penstock has no such key, and errUnsure when
// that is not known.
func (k *keys) find(ctx context.Context, id string, now time.Time) (ed25519.PublicKey, error) {
	for {
		k.mu.Lock()
		key, known := k.byID[id]
		age := now.Sub(k.readAt)
		if known && age < k.fresh {
			k.mu.Unlock()
			return key, nil
		}
		usable := known && age < k.fresh+k.staleFor
		switch {
		case k.asking != nil && usable: // somebody else waits for the answer
			k.mu.Unlock()
			return key, nil
		case k.asking != nil:
			answered := k.asking
			k.mu.Unlock()
			if err := await(ctx, answered); err != nil {
				return nil, err
			}
			continue
		case !k.askedAt.IsZero() && now.Sub(k.askedAt) < askEvery:
			failed := k.failed
			k.mu.Unlock()
			return settle(key, usable, failed)
		}
		k.askedAt, k.asking = now, make(chan struct{})
		k.mu.Unlock()
		k.ask(now)
	}
}

// settle decides without asking again.
func settle(key ed25519.PublicKey, usable bool, failed error) (ed25519.PublicKey, error) {
	switch {
	case usable:
		return key, nil
	case failed != nil:
		return nil, errors.Join(errUnsure, failed)
	default:
		return nil, errRefused
	}
}

func await(ctx context.Context, answered <-chan struct{}) error {
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return errors.Join(errUnsure, ctx.Err())
	}
}

// ask reads the keys for everybody who waits. It does not end with the request that needed it.
func (k *keys) ask(now time.Time) {
	byID, fresh, err := k.read()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed = err; err == nil {
		k.byID, k.readAt, k.fresh = byID, now, fresh
	}
	close(k.asking)
	k.asking = nil
}

func (k *keys) read() (map[string]ed25519.PublicKey, time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, 0, err
	}
	response, err := k.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("the keys are answered %d", response.StatusCode)
	}
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswerBytes)).Decode(&set); err != nil {
		return nil, 0, fmt.Errorf("the keys cannot be read: %w", err)
	}
	byID := make(map[string]ed25519.PublicKey)
	for _, one := range set.Keys {
		if public, ok := one.Key.(ed25519.PublicKey); ok && one.KeyID != "" {
			byID[one.KeyID] = public
		}
	}
	if len(byID) == 0 {
		return nil, 0, errors.New("the keys cannot be read: no Ed25519 key is among them")
	}
	return byID, freshFor(response.Header.Get("Cache-Control")), nil
}

var maxAge = regexp.MustCompile(`(?:^|[ ,])max-age=(\d{1,9})(?:$|[ ,;])`)

func freshFor(cacheControl string) time.Duration {
	found := maxAge.FindStringSubmatch(cacheControl)
	if found == nil {
		return defaultFresh
	}
	seconds, err := strconv.Atoi(found[1])
	if err != nil {
		return defaultFresh
	}
	return min(max(time.Duration(seconds)*time.Second, minFresh), maxFresh)
}
