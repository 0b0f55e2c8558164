package config

import (
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

// SharedKeys reads the keys that shops sign join tokens with, by id.
func SharedKeys(written []Secret) (map[string][]byte, error) {
	const env = "PENSTOCK_JOIN_KEYS"
	keys := make(map[string][]byte, len(written))
	for i, one := range written {
		id, secret, found := strings.Cut(one.Reveal(), ":")
		if !found || !sale.ValidSharedKey(id) {
			return nil, wrong(env, "number %d is not id:secret, with an id of 1 to 64 letters, digits, dots, underscores or hyphens", i+1)
		}
		if len(secret) < MinSecretBytes {
			return nil, wrong(env, "the secret of %s has %d bytes, use at least %d; %s", id, len(secret), MinSecretBytes, howToMakeSecret)
		}
		if _, twice := keys[id]; twice {
			return nil, wrong(env, "names %s twice", id)
		}
		keys[id] = []byte(secret)
	}
	return keys, nil
}
