package reservation

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"slices"
	"sync"
)

// keyedHash makes HMAC-SHA256 with one secret. It is safe for concurrent use.
type keyedHash struct {
	secret []byte
	pool   sync.Pool // of *hash.Hash keyed with secret: setting one up costs as much as using it
}

func newKeyedHash(secret []byte) *keyedHash { return &keyedHash{secret: slices.Clone(secret)} }

func (k *keyedHash) sum(message []byte) (sum [sha256.Size]byte) {
	pooled, ok := k.pool.Get().(*hash.Hash)
	if !ok {
		mac := hmac.New(sha256.New, k.secret)
		pooled = &mac
	}
	defer k.pool.Put(pooled)
	mac := *pooled
	mac.Reset()
	mac.Write(message)
	mac.Sum(sum[:0])
	return sum
}
