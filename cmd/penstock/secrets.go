package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/penstock/penstock/internal/config"
)

// keyBytes is the length of each derived key; it is also the length of an Ed25519 seed.
const keyBytes = 32

// derivedKeys are the keys of the separate uses, all from the one secret (HKDF, RFC 5869), so that
// a key that leaks from one use opens no other.
type derivedKeys struct {
	tickets, passes, reservations, holders, sessions, places, invites, roomLinks keyring
	notifications, webhooks, push, proofs                                        keyring
}

// keyring holds the keys of one use. The current one signs. All are believed: those of former
// secrets, and that of the next secret, with which other nodes may sign already during a rotation.
type keyring struct {
	current        []byte
	previous, next [][]byte // next has one key at most
}

// others are the keys that are believed besides the current one.
func (k keyring) others() [][]byte {
	return slices.Concat(k.previous, k.next)
}

func deriveKeys(secret []byte, previous []config.Secret, next config.Secret) (derivedKeys, error) {
	var keys derivedKeys
	for _, use := range []struct {
		name string
		into *keyring
	}{
		{"tickets", &keys.tickets}, {"passes", &keys.passes},
		{"reservations", &keys.reservations}, {"holders", &keys.holders}, {"sessions", &keys.sessions},
		{"notifications", &keys.notifications}, {"webhooks", &keys.webhooks}, {"push", &keys.push},
		{"places", &keys.places}, {"invites", &keys.invites}, {"room links", &keys.roomLinks},
		{"proofs of work", &keys.proofs},
	} {
		ring, err := deriveRing(use.name, secret, previous, next)
		if err != nil {
			return derivedKeys{}, fmt.Errorf("derive the keys for %s: %w", use.name, err)
		}
		*use.into = ring
	}
	return keys, nil
}

func deriveRing(use string, secret []byte, previous []config.Secret, next config.Secret) (ring keyring, err error) {
	if ring.current, err = deriveKey(secret, use); err != nil {
		return keyring{}, err
	}
	if ring.previous, err = deriveKeysOf(use, previous...); err != nil {
		return keyring{}, err
	}
	if next != "" {
		ring.next, err = deriveKeysOf(use, next)
	}
	return ring, err
}

func deriveKeysOf(use string, secrets ...config.Secret) (keys [][]byte, err error) {
	for _, secret := range secrets {
		key, err := deriveKey([]byte(secret.Reveal()), use)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func deriveKey(secret []byte, use string) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, nil, "penstock "+use, keyBytes)
}
