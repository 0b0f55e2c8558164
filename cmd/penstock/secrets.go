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
	tickets, passes, reservations, sessions []byte
	previousTickets                         [][]byte
}

func deriveKeys(secret []byte, previous []config.Secret) (derivedKeys, error) {
	var keys derivedKeys
	uses := []struct {
		name string
		into *[]byte
	}{
		{"tickets", &keys.tickets}, {"passes", &keys.passes},
		{"reservations", &keys.reservations}, {"sessions", &keys.sessions},
	}
	for _, use := range uses {
		key, err := deriveKey(secret, use.name)
		if err != nil {
			return derivedKeys{}, err
		}
		*use.into = key
	}
	for _, former := range previous {
		key, err := deriveKey([]byte(former.Reveal()), "tickets")
		if err != nil {
			return derivedKeys{}, err
		}
		keys.previousTickets = append(keys.previousTickets, key)
	}
	return keys, nil
}

func deriveKey(secret []byte, use string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "penstock "+use, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive the key for %s: %w", use, err)
	}
	return key, nil
}
