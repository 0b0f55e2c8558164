package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/penstock/penstock/internal/config"
)

// keyBytes is the length of each derived key; it is also the length of an Ed25519 seed.
const keyBytes = 32

// derivedKeys are the keys of the separate uses, all from the one secret (HKDF, RFC 5869), so that
// a key that leaks from one use opens no other.
type derivedKeys struct {
	tickets, passes, reservations, sessions keyring
}

// keyring holds the keys of one use. The current one signs. All are believed: those of former
// secrets, and that of the next secret, with which other nodes may sign already during a rotation.
type keyring struct {
	current  []byte
	previous [][]byte
	next     []byte // nil when no next secret is set
}

// others are the keys that are believed besides the current one.
func (k keyring) others() [][]byte {
	others := append([][]byte(nil), k.previous...)
	if k.next != nil {
		others = append(others, k.next)
	}
	return others
}

// upcoming is the next key, if there is one.
func (k keyring) upcoming() [][]byte {
	if k.next == nil {
		return nil
	}
	return [][]byte{k.next}
}

func deriveKeys(secret []byte, previous []config.Secret, next config.Secret) (derivedKeys, error) {
	var keys derivedKeys
	for _, use := range []struct {
		name string
		into *keyring
	}{
		{"tickets", &keys.tickets}, {"passes", &keys.passes},
		{"reservations", &keys.reservations}, {"sessions", &keys.sessions},
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
	for _, former := range previous {
		key, err := deriveKey([]byte(former.Reveal()), use)
		if err != nil {
			return keyring{}, err
		}
		ring.previous = append(ring.previous, key)
	}
	if next != "" {
		ring.next, err = deriveKey([]byte(next.Reveal()), use)
	}
	return ring, err
}

func deriveKey(secret []byte, use string) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, nil, "penstock "+use, keyBytes)
}
