//go:build faults

package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	crowdBuyers     = 16
	crowdRetryEvery = 50 * time.Millisecond
	// crowdPatience is how long a buyer waits for one answer before he asks again.
	crowdPatience = 5 * time.Second
)

// crowd is a number of buyers who buy one unit after the other of item A, each with one ticket and
// one pass. Like good clients they repeat, with the same key, what got no answer or a 5xx. Some give
// their units back, and some let them lapse. Everything that they are told is in the diary.
type crowd struct {
	front, sale string
	diary       *diary
	// turns is how many purchases may still begin. The test gives turns out, so that a sale lasts
	// as long as its faults, however fast the machine is.
	turns atomic.Int64
	// pause is the longest time that a buyer waits between two purchases.
	pause time.Duration
	// drift is how many of 100 holds are not ordered but given back, or left to lapse.
	drift int
	// hurried buyers neither wait nor drift away: what is left is being sold out.
	hurried atomic.Bool

	done   chan struct{}
	buyers sync.WaitGroup
}

func newCrowd(front, sale string) *crowd {
	return &crowd{front: front, sale: sale, diary: newDiary(), done: make(chan struct{})}
}

// start lets the buyers come; they end with the test, or with stop.
func (c *crowd) start(t testing.TB) {
	t.Helper()
	for i := range crowdBuyers {
		c.buyers.Go(func() { c.buy(fmt.Sprintf("buyer-%d", i)) })
	}
	t.Cleanup(c.stop)
}

// stop sends the buyers home and returns when they are gone.
func (c *crowd) stop() {
	if !c.stopped() {
		close(c.done)
	}
	c.buyers.Wait()
}

func (c *crowd) stopped() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *crowd) buy(name string) {
	v := &visitor{front: c.front, sale: c.sale, name: name, client: &http.Client{Timeout: crowdPatience}}
	if !c.admit(v) {
		return
	}
	for i := 0; c.takeTurn(); i++ {
		if !c.purchase(v, fmt.Sprintf("%s-%d", name, i)) {
			c.turns.Add(1)
		}
	}
}

// takeTurn waits until a purchase may begin; false when the crowd is stopped.
func (c *crowd) takeTurn() bool {
	if c.pause > 0 && !c.hurried.Load() && !c.wait(rand.N(c.pause)) {
		return false
	}
	for !c.stopped() {
		left := c.turns.Load()
		if left > 0 && c.turns.CompareAndSwap(left, left-1) {
			return true
		}
		if left <= 0 {
			c.wait(10 * time.Millisecond)
		}
	}
	return false
}

// wait returns false when the crowd was stopped meanwhile.
func (c *crowd) wait(d time.Duration) bool {
	select {
	case <-c.done:
		return false
	case <-time.After(d):
		return true
	}
}

// admit joins the line and claims a pass.
func (c *crowd) admit(v *visitor) bool {
	for {
		joined, _, ok := c.persist(v, call{method: "POST", url: v.salePath("/tickets"), header: v.header()})
		if !ok {
			return false
		}
		if v.ticket == "" {
			v.ticket = joined.text("ticket")
		}
		claimed, _, ok := c.persist(v, call{method: "POST", url: v.salePath("/passes"), header: v.header()})
		if !ok {
			return false
		}
		if v.pass = claimed.text("pass"); v.pass != "" {
			return true
		}
		if !c.wait(crowdRetryEvery) {
			return false
		}
	}
}

// purchase reports whether a unit was bought.
func (c *crowd) purchase(v *visitor, key string) bool {
	held, _, ok := c.persist(v, v.reservation("A", 1, "r-"+key))
	if !ok {
		return false
	}
	if held.status != http.StatusCreated {
		c.diary.noteRefusal(held)
		c.wait(crowdRetryEvery)
		return false
	}
	reservation := held.text("id")
	if rand.IntN(100) < c.drift && !c.hurried.Load() {
		if rand.IntN(2) == 0 {
			c.persist(v, call{method: "DELETE", url: c.front + "/v1/reservations/" + reservation, header: v.header()})
		}
		return false
	}
	placed, sent, ok := c.persist(v, v.order(reservation, "o-"+reservation))
	if !ok || placed.status != http.StatusAccepted && placed.status != http.StatusOK {
		return false
	}
	c.diary.noteOrder(placed.text("id"), reservation, sent)
	return true
}

// persist repeats a call until it is answered with something else than 5xx; false when the crowd is
// stopped. sent is when the answered attempt was sent.
func (c *crowd) persist(v *visitor, request call) (a answer, sent time.Time, ok bool) {
	for {
		sent = time.Now()
		a, err := send(v.client, request)
		c.diary.noteAnswer(request, a, err)
		if err == nil && a.status < http.StatusInternalServerError {
			return a, sent, true
		}
		if !c.wait(crowdRetryEvery) {
			return answer{}, sent, false
		}
	}
}

// watch looks at the sale's document and page, as one more visitor with a browser does, until the
// crowd is stopped.
func (c *crowd) watch(t testing.TB) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: crowdPatience, Jar: jar}
	c.buyers.Go(func() {
		for c.wait(crowdRetryEvery) {
			for _, path := range []string{"/v1/sales/" + c.sale, "/sales/" + c.sale} {
				request := call{method: "GET", url: c.front + path}
				a, err := send(client, request)
				c.diary.noteAnswer(request, a, err)
			}
		}
	})
}

// sellOut lets the crowd buy what is left, and fails unless every unit of the sale is ordered in the
// end: neither one too many, nor one that nobody can have.
func (c *crowd) sellOut(t testing.TB, units int, within time.Duration) {
	t.Helper()
	c.hurried.Store(true)
	c.turns.Store(int64(units))
	lastCount, lastChange := c.diary.count(), time.Now()
	testenv.Eventually(t, within, fmt.Sprintf("all %d units are ordered", units), func() bool {
		if n := c.diary.count(); n != lastCount {
			lastCount, lastChange = n, time.Now()
		}
		stuck := time.Since(lastChange) > within/2
		if stuck {
			t.Fatalf("%d of %d units are ordered, and none for %s: %d units are stuck; the last refusal: %s",
				lastCount, units, within/2, units-lastCount, c.diary.lastRefusal())
		}
		return lastCount >= units
	})
	c.stop()
	if n := c.diary.count(); n != units {
		t.Errorf("%d orders were accepted for %d units", n, units)
	}
}
