package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/penstock/penstock/internal/config"
)

// keyBytes is the length of each derived key; it is also the length of an Ed25519 seed.
const keyBytes = 32

// useKeys are the keys of one use: the current one, former ones that are still believed, and the
// next one, which is believed and published and signs nothing yet (nil: there is none).
type useKeys struct {
	current  []byte
	previous [][]byte
	next     [][]byte
}

// derivedKeys are the keys of the separate uses, all from the secrets (HKDF, RFC 5869), so that
// a key that leaks from one use opens no other.
type derivedKeys struct{ tickets, passes, reservations, sessions useKeys }

func deriveKeys(secret []byte, previous []config.Secret, next config.Secret) (derivedKeys, error) {
	var keys derivedKeys
	for name, into := range map[string]*useKeys{
		"tickets": &keys.tickets, "passes": &keys.passes, "reservations": &keys.reservations, "sessions": &keys.sessions,
	} {
		if err := into.derive(name, secret, previous, next); err != nil {
			return derivedKeys{}, err
		}
	}
	return keys, nil
}

func (k *useKeys) derive(use string, secret []byte, previous []config.Secret, next config.Secret) (err error) {
	if k.current, err = deriveKey(secret, use); err != nil {
		return err
	}
	for _, former := range previous {
		key, err := deriveKey([]byte(former.Reveal()), use)
		if err != nil {
			return err
		}
		k.previous = append(k.previous, key)
	}
	if next == "" {
		return nil
	}
	key, err := deriveKey([]byte(next.Reveal()), use)
	k.next = append(k.next, key)
	return err
}

func deriveKey(secret []byte, use string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "penstock "+use, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", use, err)
	}
	return key, nil
}
