package front

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

const (
	maxIdempotencyKeyBytes = 255
	keyShards              = 64 // a power of two
	// maxKeysInFlight and maxKeysGranted bound one shard: 256k requests under way, and the memory
	// of 512k grants (some 20 MB).
	maxKeysInFlight = 4096
	maxKeysGranted  = 8192
)

// keys follows the idempotency keys of this node: those under way, so that the same request is not
// worked on twice at a time, and those that were granted a reservation, so that a retry is not told
// "sold out" from memory while its units are held.
//
// It keeps hashes of 64 bits under a seed nobody outside knows. Two keys that collide cost a 409
// to retry, or a question to Redis; what is true is decided there, by the whole key.
type keys struct {
	seed   maphash.Seed
	shards [keyShards]keyShard
	// forgot says that a grant had to be dropped before its time: from then on memory proves nothing.
	forgot atomic.Bool
}

type keyShard struct {
	mu       sync.Mutex
	inFlight map[uint64]struct{}
	granted  map[uint64]int64 // until when, Unix seconds
}

func newKeys() *keys {
	k := &keys{seed: maphash.MakeSeed()}
	for i := range k.shards {
		k.shards[i].inFlight = make(map[uint64]struct{})
		k.shards[i].granted = make(map[uint64]int64)
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

// grant remembers that the key got a reservation.
func (k *keys) grant(hash uint64, now time.Time, keep time.Duration) {
	s := k.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.granted) >= maxKeysGranted && s.makeRoom(now.Unix()) {
		k.forgot.Store(true)
	}
	s.granted[hash] = now.Add(keep).Unix()
}

// makeRoom drops what has lapsed. When nothing has, it drops something else and says so.
func (s *keyShard) makeRoom(nowSeconds int64) (forgot bool) {
	for hash, until := range s.granted {
		if until < nowSeconds {
			delete(s.granted, hash)
		}
	}
	for hash := range s.granted {
		if len(s.granted) < maxKeysGranted {
			break
		}
		delete(s.granted, hash)
		forgot = true
	}
	return forgot
}

// mayBeGranted reports whether the key got a reservation, or that nobody can tell any more.
func (k *keys) mayBeGranted(hash uint64) bool {
	if k.forgot.Load() {
		return true
	}
	s := k.shard(hash)
	s.mu.Lock()
	_, there := s.granted[hash]
	s.mu.Unlock()
	return there
}

// idempotencyKey returns the caller's key. Errors: idempotency_key_required, bad_request.
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
	return string(header), nil
}
