package bots

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// bucketShards is into how many parts the buckets are divided, so that requests seldom wait for one another.
const bucketShards = 64

// bucketKey names a bucket: a rule in a sale, for a network or a holder.
type bucketKey struct {
	sale    string
	rule    Rule
	network netip.Prefix
	holder  string
}

// buckets are token buckets, of which a bounded number is kept. It is safe for concurrent use.
type buckets struct {
	seed   maphash.Seed
	shards [bucketShards]bucketShard
}

// bucketShard keeps its buckets in the order in which they were last asked.
type bucketShard struct {
	mu             sync.Mutex
	most           int
	byKey          map[bucketKey]*bucket
	newest, oldest *bucket
}

type bucket struct {
	key          bucketKey
	limiter      *rate.Limiter
	asked        time.Time // never goes back: rate would credit the time between twice
	newer, older *bucket
}

// newBuckets keeps at most that many, rounded up to a multiple of the shards.
func newBuckets(most int) *buckets {
	b := &buckets{seed: maphash.MakeSeed()}
	for i := range b.shards {
		b.shards[i].most = max(1, (most+bucketShards-1)/bucketShards)
		b.shards[i].byKey = make(map[bucketKey]*bucket)
	}
	return b
}

func (b *buckets) shard(key bucketKey) *bucketShard {
	return &b.shards[maphash.Comparable(b.seed, key)%bucketShards]
}

// take takes one token, if there is one. Left are those that remain; wait is until the next one comes when there is
// none.
func (b *buckets) take(key bucketKey, perMinute int, now time.Time) (left int, wait time.Duration) {
	return b.look(key, perMinute, now, 1)
}

// peek is take without taking.
func (b *buckets) peek(key bucketKey, perMinute int, now time.Time) (left int, wait time.Duration) {
	return b.look(key, perMinute, now, 0)
}

func (b *buckets) look(key bucketKey, perMinute int, now time.Time, taken int) (left int, wait time.Duration) {
	s := b.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.find(key, perMinute, now)
	if one.limiter.TokensAt(one.asked) >= 1 && one.limiter.AllowN(one.asked, taken) {
		return int(max(0, one.limiter.TokensAt(one.asked))), 0
	}
	missing := 1 - one.limiter.TokensAt(one.asked)
	return 0, max(time.Millisecond, time.Duration(missing/float64(one.limiter.Limit())*float64(time.Second)))
}

// charge takes one token also when there is none, down to as many missing as come in a minute.
func (b *buckets) charge(key bucketKey, perMinute int, now time.Time) {
	s := b.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.find(key, perMinute, now)
	if one.limiter.TokensAt(one.asked) > -float64(perMinute) {
		one.limiter.ReserveN(one.asked, 1)
	}
}

// owes is how long until there is a token in a bucket that was charged; 0 when there is one, or no bucket.
func (b *buckets) owes(key bucketKey, perMinute int, now time.Time) time.Duration {
	s := b.shard(key)
	s.mu.Lock()
	_, charged := s.byKey[key]
	s.mu.Unlock()
	if !charged {
		return 0
	}
	_, wait := b.peek(key, perMinute, now)
	return wait
}

// giveBack undoes a take.
func (b *buckets) giveBack(key bucketKey, now time.Time) {
	s := b.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.byKey[key]; found != nil {
		found.ask(now)
		found.limiter.AllowN(found.asked, -1) // to take less than nothing is to give; never more than a full bucket comes of it
	}
}

// kept is how many there are.
func (b *buckets) kept() (n int) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		n += len(s.byKey)
		s.mu.Unlock()
	}
	return n
}

func (one *bucket) ask(now time.Time) {
	if now.After(one.asked) {
		one.asked = now
	}
}

// find returns the bucket of a key, with the figure that holds now.
func (s *bucketShard) find(key bucketKey, perMinute int, now time.Time) *bucket {
	found := s.byKey[key]
	if found == nil {
		if len(s.byKey) >= s.most {
			s.forget(s.oldest)
		}
		found = &bucket{key: key, limiter: rate.NewLimiter(perSecond(perMinute), perMinute), asked: now}
		s.byKey[key] = found
		s.push(found)
		return found
	}
	s.unlink(found)
	s.push(found)
	found.ask(now)
	if found.limiter.Burst() != perMinute {
		found.limiter.SetLimitAt(found.asked, perSecond(perMinute))
		found.limiter.SetBurstAt(found.asked, perMinute)
	}
	return found
}

func perSecond(perMinute int) rate.Limit { return rate.Limit(float64(perMinute) / 60) }

func (s *bucketShard) forget(one *bucket) {
	s.unlink(one)
	delete(s.byKey, one.key)
}

// push makes a bucket the newest.
func (s *bucketShard) push(one *bucket) {
	one.newer, one.older = nil, s.newest
	if s.newest != nil {
		s.newest.newer = one
	}
	s.newest = one
	if s.oldest == nil {
		s.oldest = one
	}
}

func (s *bucketShard) unlink(one *bucket) {
	if one.newer != nil {
		one.newer.older = one.older
	} else {
		s.newest = one.older
	}
	if one.older != nil {
		one.older.newer = one.newer
	} else {
		s.oldest = one.newer
	}
}
