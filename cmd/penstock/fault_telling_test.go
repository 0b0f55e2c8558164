//go:build faults

package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/queue"
)

const (
	tellingTTL = 4 * time.Second
	// tellingWindow is longer than the server is away.
	tellingWindow = 20 * time.Second
	// tellingBetween is how long visitors go through between two kills.
	tellingBetween = 4 * time.Second
	tellingLine    = 240 // visitors who join before the first kill
	tellingDoor    = 5   // visitors at a time who come to a free room, one after the other; so few that nobody waits
	tellingNoShows = 10  // one in so many of the line never claims
)

// Each of these kills -9 the one process, which leads and serves, at a moment between a decision of Redis and the
// word to the visitor. Afterwards Redis is as it was, or empty; and where the journal was frozen, what was on the way to
// it arrives, or is lost with it.
type tellingKill struct {
	when  string
	moved string // the field of the room that has moved when the decision was made
	// frozen says that the journal takes nothing. Otherwise the answer of Redis never arrives.
	frozen, wiped bool
}

func TestFaultALeaderKilledBetweenCallingAndTellingLosesNoCall(t *testing.T) {
	const perMinute, atOnce = 240, 22 // as many as come, so that both limits are met
	w := newTelling(t, perMinute, atOnce, tellingWindow)
	w.pause()
	for i := range tellingLine {
		w.join(&tellingVisitor{gone: i%tellingNoShows == 0})
	}
	w.resume()
	var all sync.WaitGroup
	for _, v := range w.visitors {
		all.Go(func() { w.wait(v) })
	}
	for _, kill := range []tellingKill{
		{when: "the leader has called, and does not know it", moved: "called"},
		{when: "a pass is given, and the journal does not have it", moved: "claimed", frozen: true},
		{when: "the leader has called, does not know it, and Redis is lost", moved: "called", wiped: true},
		{when: "a pass is given, the journal does not have it, and Redis is lost too", moved: "claimed", frozen: true, wiped: true},
	} {
		<-time.After(tellingBetween)
		w.kill(kill)
	}
	all.Wait()
	account := w.judge()
	// After a loss the line goes on behind the numbers that were only set aside.
	if account.Entrants-account.Uncertain != tellingLine || account.Called < tellingLine {
		t.Errorf("%d are in the line, and by the journal %d joined, %d of them uncertain, and %d were called",
			tellingLine, account.Entrants, account.Uncertain, account.Called)
	}
	if account.Minute.Most < perMinute/2 || account.Active.Most < atOnce/2 {
		t.Errorf("too few were admitted to tell anything: in 60 s %+v, active %+v", account.Minute, account.Active)
	}
}

func TestFaultAGateKilledBetweenCallingAndTellingANewcomerLosesNoCall(t *testing.T) {
	w := newTelling(t, 600, 45, tellingWindow)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range tellingDoor {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					w.wait(w.join(&tellingVisitor{}))
					<-time.After(rand.N(time.Second))
				}
			}
		})
	}
	for _, kill := range []tellingKill{
		{when: "a newcomer is called, and the gate does not know it", moved: "called"},
		{when: "a newcomer is called, and the journal does not have it", moved: "called", frozen: true},
		{when: "a newcomer is called, the gate does not know it, and Redis is lost", moved: "called", wiped: true},
		{when: "a newcomer is called, the journal does not have it, and Redis is lost too", moved: "called", frozen: true, wiped: true},
	} {
		<-time.After(tellingBetween)
		w.kill(kill)
	}
	<-time.After(tellingBetween)
	close(stop)
	all.Wait()
	account := w.judge()
	if account.Called < uint64(w.told.Load()) || account.Entrants < uint64(len(w.visitors)) {
		t.Errorf("%d have a ticket and %d were told; by the journal %d joined and %d were called", len(w.visitors), w.told.Load(), account.Entrants, account.Called)
	}
}

// telling is one process between the stores, a sale, and its visitors.
type telling struct {
	t      *testing.T
	atOnce int64 // passes
	stores realStores
	gate   *redisGate
	server *server
	client *http.Client
	redis  rueidis.Client

	mu       sync.Mutex
	visitors []*tellingVisitor
	holders  map[uint64]bool // places that were given
	passes   map[string]bool // that were given

	told, admitted, full atomic.Int64
	mostActive           atomic.Int64 // in Redis, whenever it was looked at
}

// tellingVisitor claims soon after the call, unless it is one of those who have gone.
type tellingVisitor struct {
	ticket string
	place  uint64
	gone   bool
}

func newTelling(t *testing.T, perMinute, atOnce int64, window time.Duration) *telling {
	w := &telling{
		t: t, atOnce: atOnce, stores: newRealStores(t), holders: map[uint64]bool{}, passes: map[string]bool{},
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: tellingLine}},
	}
	w.gate, w.redis = newRedisGate(t, w.stores.redis), testenv.ConnectRedis(t, w.stores.redis.URL)
	w.server = newServer(t, append(w.stores.env(), "PENSTOCK_REDIS_URL="+w.gate.url())...)
	w.server.start()
	w.server.createSale("told", 1_000_000, map[string]any{"admission": map[string]any{
		"rate_per_minute": perMinute, "max_active": atOnce, "pass_ttl": tellingTTL.String(), "claim_window": window.String(),
	}})
	return w
}

func (w *telling) pause()  { w.server.admin(http.StatusOK, "POST", "/sales/told/pause", nil) }
func (w *telling) resume() { w.server.admin(http.StatusOK, "POST", "/sales/told/resume", nil) }

// field is a number of the room, 0 while there is none.
func (w *telling) field(name string) int64 {
	n, _ := w.redis.Do(w.t.Context(), w.redis.B().Hget().Key(redis.Key("told", "room")).Field(name).Build()).AsInt64()
	return n
}

// kill lets the moment come, kills the process, and starts it again.
func (w *telling) kill(k tellingKill) {
	w.t.Helper()
	w.restart(k, w.strike(k))
}

// strike lets the moment come, and kills the process. It returns how many were called by then.
func (w *telling) strike(k tellingKill) (called int64) {
	w.t.Helper()
	before := w.field(k.moved)
	decided := func() bool { return w.field(k.moved) > before }
	if k.frozen {
		// Two have just been called, so one at least claims in the second that follows.
		called := w.field("called")
		testenv.Eventually(w.t, 20*time.Second, "the line moves", func() bool { return w.field("called") > called+1 })
		if err := w.stores.nats.Pause(); err != nil {
			w.t.Fatal(err)
		}
		before = w.field(k.moved)
		testenv.Eventually(w.t, 20*time.Second, k.when, decided)
	} else {
		w.gate.holdOnce(k.when, decided)
	}
	w.server.kill()
	return w.field("called")
}

// restart starts the process again, of which it is known how many were called when it was killed.
func (w *telling) restart(k tellingKill, called int64) {
	w.t.Helper()
	if k.wiped {
		onRedis(w.t, w.stores.redis, func(b rueidis.Builder) rueidis.Completed { return b.Flushall().Build() })
	}
	w.thaw(k)
	w.gate.open()
	w.server.start()
	again := int64(0)
	testenv.Eventually(w.t, 30*time.Second, "the room is there again", func() bool { again = w.field("called"); return again > 0 })
	if !k.wiped && again < called {
		w.t.Errorf("%s: %d were called, and after the restart %d", k.when, called, again)
	}
	testenv.Eventually(w.t, 30*time.Second, "the line moves again", func() bool { return w.field("called") > again })
	w.t.Logf("%s: at the kill %d were called, after the restart %d", k.when, called, again)
}

// thaw lets the journal go on. Where Redis is lost, the journal loses what was on the way to it.
func (w *telling) thaw(k tellingKill) {
	w.t.Helper()
	var err error
	switch {
	case k.frozen && k.wiped:
		err = w.stores.nats.Restart(w.t.Context())
	case k.frozen:
		err = w.stores.nats.Resume()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// ask repeats until there is an answer that is not 5xx. Who is not answered when joining joins again.
func (w *telling) ask(method, path string, v *tellingVisitor) answer {
	for {
		header := map[string]string{}
		if v.ticket != "" {
			header["Penstock-Ticket"] = v.ticket
		}
		a, err := send(w.client, call{method: method, url: w.server.front + "/v1/sales/told" + path, header: header})
		if err == nil && a.status < http.StatusInternalServerError {
			return a
		}
		<-time.After(200 * time.Millisecond)
	}
}

func (w *telling) join(v *tellingVisitor) *tellingVisitor {
	a := w.ask("POST", "/tickets", v)
	place, _ := a.body["place"].(float64)
	v.ticket, v.place = a.text("ticket"), uint64(place)
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.status != http.StatusCreated || w.holders[v.place] {
		w.t.Errorf("joining: %d, a place that somebody has: %t, %s", a.status, w.holders[v.place], a.raw)
	}
	w.holders[v.place] = true
	w.visitors = append(w.visitors, v)
	return v
}

// wait polls until the visitor is called, and claims.
func (w *telling) wait(v *tellingVisitor) {
	for until := time.Now().Add(2 * time.Minute); ; <-time.After(300 * time.Millisecond) {
		a := w.ask("GET", "/ticket", v)
		if place, _ := a.body["place"].(float64); uint64(place) != v.place {
			w.t.Errorf("place %d became %s", v.place, a.raw)
			return
		}
		if a.text("state") == "called" {
			break
		}
		if state := a.text("state"); state != "waiting" && state != "paused" || time.Now().After(until) {
			w.t.Errorf("place %d was never told that it is called: %s", v.place, a.raw)
			return
		}
	}
	w.told.Add(1)
	if v.gone {
		return
	}
	<-time.After(rand.N(time.Second))
	w.claim(v)
}

// claim goes on until there is a pass. Who was told to be called is refused for the limits alone.
func (w *telling) claim(v *tellingVisitor) {
	for {
		a := w.ask("POST", "/passes", v)
		switch {
		case a.status/100 == 2:
			w.admit(a.text("pass"))
			return
		case a.text("detail") == "admission is full at this moment; the time to claim starts again":
			w.full.Add(1)
		default:
			w.t.Errorf("place %d was told that it is called, and may not claim: %d %s", v.place, a.status, a.raw)
			return
		}
		<-time.After(200 * time.Millisecond)
	}
}

func (w *telling) admit(pass string) {
	now := fmt.Sprintf("(%d", time.Now().UnixMilli())
	count, err := w.redis.Do(w.t.Context(), w.redis.B().Zcount().Key(redis.Key("told", "room:passes")).Min(now).Max("+inf").Build()).AsInt64()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && count > w.mostActive.Load() {
		w.mostActive.Store(count)
	}
	if w.passes[pass] {
		w.t.Errorf("two visitors have the pass %s", pass)
	}
	w.passes[pass] = true
	w.admitted.Add(1)
}

// judge compares what the journal tells with the limits and with what visitors were told.
func (w *telling) judge() queue.Account {
	w.t.Helper()
	account := readAccount(w.t, w.stores.nats.URL, "told")
	w.t.Logf("%d joined, %d were told that they are called, %d got a pass; by the journal %d were called and %d admitted; in 60 s %+v; active %+v, in Redis %d at most; inversions %d; claims that met a limit: %d",
		len(w.visitors), w.told.Load(), w.admitted.Load(), account.Called, account.Admitted, account.Minute, account.Active, w.mostActive.Load(), account.Inversions, w.full.Load())
	wantLimitsKept(w.t, account)
	if w.mostActive.Load() > w.atOnce {
		w.t.Errorf("%d passes were active in Redis", w.mostActive.Load())
	}
	if account.Admitted != w.admitted.Load() {
		w.t.Errorf("%d visitors have a pass, and the journal has %d", w.admitted.Load(), account.Admitted)
	}
	return account
}
