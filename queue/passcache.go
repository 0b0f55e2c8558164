package queue

import (
	"strings"
	"sync"
)

// passCache remembers tokens that were verified as a whole. It is two generations of a map: when
// the young one is full it becomes the old one, and what is still asked for moves over. So it
// stays bounded without a list to maintain. Only tokens with a true signature get in.
type passCache struct {
	limit int // tokens in one generation

	mu    sync.RWMutex
	young map[string]cachedPass
	old   map[string]cachedPass
}

type cachedPass struct {
	sale            string
	ticket          Number
	issued, expires int64 // Unix seconds
}

func newPassCache(limit int) *passCache {
	return &passCache{limit: limit, young: make(map[string]cachedPass)}
}

// get finds a token by all of its characters.
func (c *passCache) get(token string) (cachedPass, bool) {
	c.mu.RLock()
	p, ok := c.young[token]
	if ok {
		c.mu.RUnlock()
		return p, true
	}
	p, ok = c.old[token]
	c.mu.RUnlock()
	if ok {
		c.put(token, p)
	}
	return p, ok
}

// put keeps its own copy of the token: the caller's text may lie in a buffer that is used again.
func (c *passCache) put(token string, p cachedPass) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, make(map[string]cachedPass)
	}
	c.young[strings.Clone(token)] = p
}

func (c *passCache) len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.young) + len(c.old)
}
