package front

import (
	"hash/maphash"
	"sync"

	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/problem"
)

const (
	maxIdempotencyKeyBytes = 255
	keyShards              = 64 // a power of two
	// maxKeysInFlight bounds one shard: 256k requests under way in all.
	maxKeysInFlight = 4096
)

// keys follows the idempotency keys that are under way on this node, so that the same request is
// not worked on twice at a time.
//
// It keeps hashes of 64 bits under a seed nobody outside knows. Two keys that collide cost a 409
// to retry; what is true is decided in Redis, by the whole key.
type keys struct {
	seed   maphash.Seed
	shards [keyShards]keyShard
}

type keyShard struct {
	mu       sync.Mutex
	inFlight map[uint64]struct{}
}

func newKeys() *keys {
	k := &keys{seed: maphash.MakeSeed()}
	for i := range k.shards {
		k.shards[i].inFlight = make(map[uint64]struct{})
	}
	return k
}

// hash names a request by its parts: what it is, what it is about, its caller and the caller's key.
func (k *keys) hash(parts ...[]byte) uint64 {
	var h maphash.Hash
	h.SetSeed(k.seed)
	for _, part := range parts {
		_, _ = h.Write(part)
		_ = h.WriteByte(0) // none of the parts can contain it
	}
	return h.Sum64()
}

func (k *keys) shard(hash uint64) *keyShard { return &k.shards[hash&(keyShards-1)] }

// begin marks a request as under way. Errors: in_flight, overloaded.
func (k *keys) begin(hash uint64) error {
	s := k.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.inFlight[hash]; there {
		return problem.With(problem.InFlight, "a request with this Idempotency-Key is being worked on; ask again in a moment")
	}
	if len(s.inFlight) >= maxKeysInFlight {
		return problem.Overloaded
	}
	s.inFlight[hash] = struct{}{}
	return nil
}

func (k *keys) end(hash uint64) {
	s := k.shard(hash)
	s.mu.Lock()
	delete(s.inFlight, hash)
	s.mu.Unlock()
}

// idempotencyKey returns the caller's key. Errors: idempotency_key_required, bad_request, card_data.
func idempotencyKey(header []byte) (string, error) {
	if len(header) == 0 {
		return "", problem.With(problem.IdempotencyKeyRequired, "send a fresh key with each new request, and the same key with its retries")
	}
	if len(header) > maxIdempotencyKeyBytes {
		return "", badField("Idempotency-Key", "is 255 characters at most")
	}
	for _, b := range header {
		if b <= ' ' || b >= 0x7f {
			return "", badField("Idempotency-Key", "has visible ASCII characters only")
		}
	}
	key := string(header)
	return key, carddata.RefuseText("Idempotency-Key", key)
}
