//go:build faults

package main

import (
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

const (
	lanesEach      = 250              // visitors in each lane, more than are called
	lanesFor       = 22 * time.Second // of calling
	lanesKillAfter = 5 * time.Second  // the leader, with kill -9
	lanesWipeAfter = 11 * time.Second // Redis
	lanesShare     = 0.2
	lanesRate      = 600
	lanesCap       = 90
	// lanesMostOff is by how many calls the lanes may differ from their shares: within one call while nothing fails,
	// and what a new leader, and a room that was restored, know of the calls before is their watermarks alone.
	lanesMostOff = 4
)

// TestFaultLanesKeepSharesAndPlacesWhenTheLeaderAndRedisAreLost fills two lanes while the sale is paused. While they
// are called the leader is killed, and then Redis is emptied. What was called and admitted is read from the journal.
func TestFaultLanesKeepSharesAndPlacesWhenTheLeaderAndRedisAreLost(t *testing.T) {
	stores := newRealStores(t)
	l := &laneCrowd{rush: rush{t: t, gates: make([]*server, 2), lines: make(chan *frontConn, 2*lanesLines)}}
	for i := range l.gates {
		l.gates[i] = newServer(t, append(stores.env(), joinKeys, "PENSTOCK_SECRET="+splitSecret, fmt.Sprintf("PENSTOCK_NODE_ID=gate-%d", i))...)
		l.gates[i].start()
	}
	l.gates[0].createSale("lanes", 1_000_000, map[string]any{
		"identity": map[string]any{"join_token": "optional", "shared_keys": []string{"k1"}},
		"admission": map[string]any{
			"rate_per_minute": lanesRate, "max_active": lanesCap, "pass_ttl": "10s", "claim_window": "30s",
			"lanes": []map[string]any{{"name": "vip", "share": lanesShare}},
		},
	})
	l.gates[1].awaitSale("lanes")
	for i := range cap(l.lines) {
		l.lines <- dialFront(t, l.gates[i%2].front)
	}
	l.gates[0].admin(http.StatusOK, "POST", "/sales/lanes/pause", nil)
	l.join()
	l.gates[0].admin(http.StatusOK, "POST", "/sales/lanes/resume", nil)
	starts := time.Now()
	l.until = starts.Add(lanesFor)
	var all sync.WaitGroup
	for i := range l.visitors {
		all.Go(func() { l.wait(&l.visitors[i]) })
	}
	<-time.After(time.Until(starts.Add(lanesKillAfter)))
	killed := l.killLeader(stores.redis.URL)
	<-time.After(2 * time.Second)
	l.gates[killed].cmd = nil
	l.gates[killed].start()
	<-time.After(time.Until(starts.Add(lanesWipeAfter)))
	wiped := time.Now()
	onRedis(t, stores.redis, func(b rueidis.Builder) rueidis.Completed { return b.Flushall().Build() })
	all.Wait()
	if l.moved.Load() > 0 || l.lost.Load() > 0 {
		t.Errorf("%d times a visitor was told another place or lane, %d visitors lost theirs", l.moved.Load(), l.lost.Load())
	}
	l.comeAgain()
	l.judge(stores.nats.URL, wiped)
}

// lanesLines is how many connections there are to each gate.
const lanesLines = 16

// laneCrowd is the visitors of both lanes.
type laneCrowd struct {
	rush
	visitors    [2 * lanesEach]laneVisitor
	moved, lost atomic.Int64
}

type laneVisitor struct {
	name, lane, ticket string // the name is "" without a join token
	place              float64
	called             bool
}

// join gives everybody a place, those of the lane by a token of the shop.
func (l *laneCrowd) join() {
	l.t.Helper()
	const atOnce = 8
	var all sync.WaitGroup
	for first := range atOnce {
		all.Go(func() {
			for i := first; i < len(l.visitors); i += atOnce {
				v := &l.visitors[i]
				if i%2 == 0 {
					v.name, v.lane = fmt.Sprintf("customer-%d", i), "vip"
				}
				l.enter(v, i/2%2)
			}
		})
	}
	all.Wait()
}

func (l *laneCrowd) enter(v *laneVisitor, gate int) {
	body := map[string]any{}
	if v.name != "" {
		body["join_token"] = laneTokenOf(l.t, "lanes", v.name, v.lane)
	}
	a, err := send(http.DefaultClient, call{method: "POST", url: l.gates[gate].front + "/v1/sales/lanes/tickets", body: body})
	if err != nil || a.status != http.StatusCreated {
		l.t.Errorf("joining: %v, %s", err, a.raw)
		return
	}
	v.ticket = a.text("ticket")
	v.place, _ = a.body["place"].(float64)
	if a.text("lane") != v.lane || v.place < 1 {
		l.t.Errorf("for the lane %q the answer is %s", v.lane, a.raw)
	}
}

// wait polls until the visitor is called, and claims.
func (l *laneCrowd) wait(v *laneVisitor) {
	for !v.called && time.Now().Before(l.until) {
		here := l.send("GET", "/v1/sales/lanes/ticket", v.ticket)
		if here.status == http.StatusOK {
			v.called = here.State == "called"
			if here.State == "missed" || here.State == "ended" {
				l.lost.Add(1)
				return
			}
			if here.Place != uint64(v.place) || here.Lane != v.lane {
				l.moved.Add(1)
			}
		}
		<-time.After(time.Duration(min(max(here.PollAfterMS, 200), 1000)) * time.Millisecond)
	}
	for v.called && time.Now().Before(l.until) {
		if l.send("POST", "/v1/sales/lanes/passes", v.ticket).status/100 == 2 {
			l.claimed.Add(1)
			return
		}
		<-time.After(200 * time.Millisecond)
	}
}

// comeAgain has customers who still wait join on another device, with a token that names no lane.
func (l *laneCrowd) comeAgain() {
	l.t.Helper()
	came := 0
	for i := range l.visitors {
		v := &l.visitors[i]
		if v.name == "" || v.called || came == 20 {
			continue
		}
		came++
		a := must(l.t, http.StatusOK, call{method: "POST", url: l.gates[i/2%2].front + "/v1/sales/lanes/tickets", body: map[string]any{"join_token": joinTokenOf(l.t, "lanes", v.name)}})
		if a.body["place"] != v.place || a.text("lane") != "vip" {
			l.t.Errorf("the customer had place %v, and now has %s", v.place, a.raw)
		}
	}
	if came == 0 {
		l.t.Error("nobody waits any more: nothing was seen of places")
	}
}

// judge compares the account of the journal with the limits and the shares.
func (l *laneCrowd) judge(natsURL string, wiped time.Time) {
	t := l.t
	t.Helper()
	account := readAccount(t, natsURL, "lanes")
	var called [2]uint64
	off, after := 0.0, 0
	for i, step := range account.Calls {
		called[step.Lane] = max(called[step.Lane], step.Upto)
		if i+1 < len(account.Calls) && account.Calls[i+1].AtMillis == step.AtMillis {
			continue // of the same call
		}
		off = max(off, math.Abs(float64(called[1])-lanesShare*float64(called[0]+called[1])))
	}
	var admitted [2]int
	for _, one := range account.Admissions {
		lane, _ := one.InLane()
		admitted[lane]++
		if one.AtMillis > wiped.UnixMilli() {
			after++
		}
	}
	t.Logf("called %v, admitted %v, %d of them after Redis was emptied; at most %.1f calls from the shares; in 60 s %+v; active %+v; inversions %d",
		called, admitted, after, off, account.Minute, account.Active, account.Inversions)
	wantLimitsKept(t, account)
	if off > lanesMostOff {
		t.Error("the calls do not follow the shares")
	}
	if admitted[1] < 10 || admitted[0] < 40 || after < 10 {
		t.Error("too few were admitted to tell anything")
	}
}
