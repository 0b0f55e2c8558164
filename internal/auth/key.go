package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

const (
	keyPrefix = "pk_"
	keyBytes  = 32
	// StrongKeyLength is from how many characters on a key that a person has set is taken for one that nobody
	// can guess.
	StrongKeyLength = 32
	// maxKeyLength bounds what is hashed for a caller; a bootstrap key may be any shorter text.
	maxKeyLength = 512
)

// NewKey makes an API key of 256 random bits. Plain is shown to its owner once; hash is what is
// stored. A plain SHA-256 is enough for a secret of that entropy: there is nothing to guess.
func NewKey() (plain, hash string) {
	random := make([]byte, keyBytes)
	rand.Read(random) // never fails since Go 1.24: the program ends instead
	plain = keyPrefix + base64.RawURLEncoding.EncodeToString(random)
	return plain, Hash(plain)
}

// Hash is the SHA-256 of a key in lower-case hex, the form in which the ledger knows it.
func Hash(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return hex.EncodeToString(sum[:])
}

// wellFormed reports whether NewKey could have made the key. Anything else is refused without
// asking the ledger.
func wellFormed(plain string) bool {
	body, found := strings.CutPrefix(plain, keyPrefix)
	if !found || len(body) != base64.RawURLEncoding.EncodedLen(keyBytes) {
		return false
	}
	_, err := base64.RawURLEncoding.DecodeString(body)
	return err == nil
}

// ShopKey returns the API key in an Authorization header that has come through a shop's own pages and
// proxies. Such a header is often meant for somebody else: the login of a staging site, or the shop's own
// customer token. So whatever cannot be one of our keys is taken for no key, and not for a wrong one.
func ShopKey(header string) (key string, found bool) {
	key = Bearer(header)
	return key, wellFormed(key)
}

// Bearer returns the key in an Authorization header, "" when there is none.
func Bearer(header string) string {
	scheme, key, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}
