package main

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// ending is how a visit ended, or why a request did not succeed.
type ending string

// The endings. The first two are as it should be.
const (
	bought      ending = "bought"
	soldOut     ending = "told that it is sold out"
	serverError ending = "5xx"
	timedOut    ending = "time-out"
	brokenOff   ending = "connection broken"
	refused     ending = "refused otherwise"
	stillThere  ending = "still waiting at the end"
)

// request is one request and what became of it.
type request struct {
	took   time.Duration
	status int
	ending ending // "" when it succeeded
}

// tally is what a crowd met.
type tally struct {
	arrived  int
	visits   map[ending]int
	failures map[ending]int // of requests to the shop
	shop     latencies
	room     latencies // of requests to the waiting room
	roomBad  int       // 5xx, time-outs and broken connections of the waiting room
	length   time.Duration
	lastSale time.Duration // when the last visitor bought
}

// latencies are the times of requests, in order once the crowd has left.
type latencies []time.Duration

// percentile is the nearest rank: the least time that p percent of the requests do not exceed.
func (l latencies) percentile(p float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(l))))
	return l[max(rank, 1)-1]
}

// counter counts while the crowd is there.
type counter struct {
	began time.Time

	mu    sync.Mutex
	tally tally
	left  int
}

func newCounter(began time.Time) *counter {
	return &counter{began: began, tally: tally{visits: map[ending]int{}, failures: map[ending]int{}}}
}

func (c *counter) arrive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally.arrived++
}

func (c *counter) leave(how ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left++
	c.tally.visits[how]++
	if how == bought {
		c.tally.lastSale = time.Since(c.began)
	}
}

// note counts a request to the shop. One that nobody waited for to the end is not counted.
func (c *counter) note(r request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.ending == stillThere {
		return
	}
	c.tally.shop = append(c.tally.shop, r.took)
	if r.ending != "" {
		c.tally.failures[r.ending]++
	}
}

// noteRoom counts a request to the waiting room.
func (c *counter) noteRoom(r request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.ending == stillThere {
		return
	}
	c.tally.room = append(c.tally.room, r.took)
	switch r.ending {
	case serverError, timedOut, brokenOff:
		c.tally.roomBad++
	}
}

func (c *counter) soFar() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.tally.visits
	return fmt.Sprintf("%d came, %d are here, %d bought, %d were told that it is sold out, %d left because of an error",
		c.tally.arrived, c.tally.arrived-c.left, v[bought], v[soldOut], c.left-v[bought]-v[soldOut])
}

// done is the tally when nobody is left.
func (c *counter) done() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally.length = time.Since(c.began)
	slices.Sort(c.tally.shop)
	slices.Sort(c.tally.room)
	return c.tally
}
