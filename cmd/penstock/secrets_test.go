package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/config"
)

// What one node signs in any step of a rotation, each node of the steps beside it believes.
func TestEachUseBelievesTheKeysOfARotation(t *testing.T) {
	old, fresh := config.Secret(strings.Repeat("o", 32)), config.Secret(strings.Repeat("f", 32))
	steps := []struct {
		secret   config.Secret
		previous []config.Secret
		next     config.Secret
	}{{secret: old}, {secret: old, next: fresh}, {secret: fresh, previous: []config.Secret{old}}, {secret: fresh}}
	var rings [][]keyring
	for _, step := range steps {
		keys, err := deriveKeys([]byte(step.secret.Reveal()), step.previous, step.next)
		if err != nil {
			t.Fatal(err)
		}
		rings = append(rings, []keyring{keys.tickets, keys.passes, keys.reservations, keys.sessions})
	}
	believes := func(ring keyring, key []byte) bool {
		return slices.ContainsFunc(append(ring.others(), ring.current), func(one []byte) bool { return bytes.Equal(one, key) })
	}
	for i := range len(steps) - 1 {
		for use := range rings[i] {
			if !believes(rings[i+1][use], rings[i][use].current) || !believes(rings[i][use], rings[i+1][use].current) {
				t.Errorf("use %d: steps %d and %d do not believe each other", use, i, i+1)
			}
			for other := range rings[i] {
				if other != use && bytes.Equal(rings[i][use].current, rings[i][other].current) {
					t.Errorf("uses %d and %d share a key", use, other)
				}
			}
		}
	}
}
