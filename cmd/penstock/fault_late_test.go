//go:build faults

package main

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	lateRate = 600
	lateCap  = 24
	// lateWindow is for how long a turn may be claimed, and for how long afterwards it may be taken up.
	lateWindow = 8 * time.Second
	// lateAtOnce are called before each kill and miss the turn. They come within lateAfter of its end.
	lateAtOnce = 18
	lateAfter  = 3 * time.Second
	// lateNewcomerEvery has newcomers take about half of the slots.
	lateNewcomerEvery = 300 * time.Millisecond
	lateUntil         = 4 * time.Minute
)

// TestFaultLateVisitorsKeepTheLimitsWhenTheLeaderIsKilled has visitors come after their time to claim, beside newcomers
// who come in time. The one process, which leads and serves, is killed at the moments in which a turn is taken up or
// is over. What was admitted is read from the journal.
func TestFaultLateVisitorsKeepTheLimitsWhenTheLeaderIsKilled(t *testing.T) {
	w := &lateCrowd{telling: newTelling(t, lateRate, lateCap, lateWindow), until: time.Now().Add(lateUntil)}
	stop := make(chan struct{})
	var newcomers sync.WaitGroup
	newcomers.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(lateNewcomerEvery):
				newcomers.Go(func() { w.visit(w.enter(false)) })
			}
		}
	})
	for _, kill := range []tellingKill{
		{when: "a late visitor is admitted, and the gate does not know it", moved: "late"},
		{when: "a late visitor is admitted, and the journal does not have it", moved: "late", frozen: true},
		{when: "a late visitor is admitted, the gate does not know it, and Redis is lost", moved: "late", wiped: true},
		{when: "a time to claim is over, the leader does not know that Redis has it, and Redis is lost", moved: "floor", wiped: true},
		{when: "a late visitor is admitted, the journal does not have it, and Redis is lost too", moved: "late", frozen: true, wiped: true},
	} {
		<-time.After(tellingBetween)
		var late sync.WaitGroup
		first := w.enter(true)
		late.Go(func() { w.visit(first) })
		for range lateAtOnce - 1 {
			v := w.enter(true)
			late.Go(func() { w.visit(v) })
		}
		if kill.moved == "late" {
			testenv.Eventually(t, 20*time.Second, "the first of them has missed the turn", func() bool { return uint64(w.field("floor")) >= first.place })
		}
		called := w.strike(kill)
		over := w.over(kill)
		w.restart(kill, called)
		w.lookAgain(kill, over)
		late.Wait()
	}
	close(stop)
	newcomers.Wait()
	w.judge()
}

// lateCrowd is the visitors of one sale, and what became of them.
type lateCrowd struct {
	*telling
	until time.Time
	// inTime and late got a pass; lost did not in time. noRoom counts late claims for which there was no room.
	inTime, late, lost, noRoom atomic.Int64

	all []*lateVisitor // with telling.mu
}

type lateVisitor struct {
	tellingVisitor
	late bool
	// admitted, renewed and over say that there is a pass, that the time to claim began again as the cap was met, and
	// that the turn is over for good, as Redis was lost since.
	admitted, renewed, over atomic.Bool
}

// enter gives a visitor a place.
func (w *lateCrowd) enter(late bool) *lateVisitor {
	v := &lateVisitor{late: late}
	w.join(&v.tellingVisitor)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, v)
	return v
}

// once asks without repeating. A process that is away is answered for with 503.
func (w *lateCrowd) once(method, path string, v *lateVisitor) answer {
	a, err := send(w.client, call{method: method, url: w.server.front + "/v1/sales/told" + path, header: map[string]string{"Penstock-Ticket": v.ticket}})
	if err != nil {
		return answer{status: http.StatusServiceUnavailable}
	}
	return a
}

// visit waits to be called, and whoever is late until the time to claim is over; then it claims.
func (w *lateCrowd) visit(v *lateVisitor) {
	wait := map[string]bool{"": true, "waiting": true, "paused": true, "called": v.late}
	for state := ""; wait[state]; state = w.once("GET", "/ticket", v).text("state") {
		if time.Now().After(w.until) {
			w.t.Errorf("place %d is still %q", v.place, state)
			return
		}
		<-time.After(200 * time.Millisecond)
	}
	if v.late {
		<-time.After(rand.N(lateAfter))
	}
	for !w.claim(v) {
		if time.Now().After(w.until) {
			w.t.Errorf("place %d claims in vain", v.place)
			return
		}
		<-time.After(200 * time.Millisecond)
	}
}

// claim asks once, and says whether there is nothing more to ask for.
func (w *lateCrowd) claim(v *lateVisitor) (done bool) {
	over := v.over.Load()
	a := w.once("POST", "/passes?late=1", v)
	_, mayBeTakenUp := a.body["take_up_before"]
	switch {
	case a.status >= http.StatusInternalServerError:
		return false
	case a.status/100 == 2:
		if over && a.status == http.StatusCreated {
			w.t.Errorf("place %d had lost its turn with Redis, and is admitted", v.place)
		}
		w.noteAdmitted(v, a)
		return true
	case a.status == http.StatusGone && mayBeTakenUp:
		w.noRoom.Add(1)
		return false
	case a.status == http.StatusGone:
		w.lost.Add(1)
		return true
	case a.text("detail") == "admission is full at this moment; the time to claim starts again":
		v.renewed.Store(true)
		w.full.Add(1)
		return false
	default:
		w.t.Errorf("place %d was called, and is told %d %s", v.place, a.status, a.raw)
		return true
	}
}

// noteAdmitted notes the pass. Asked for again it is the same, as long as it is in force.
func (w *lateCrowd) noteAdmitted(v *lateVisitor, a answer) {
	v.admitted.Store(true)
	w.admit(a.text("pass"))
	if v.late {
		w.late.Add(1)
	} else {
		w.inTime.Add(1)
	}
	again := w.once("POST", "/passes?late=1", v)
	if again.status == http.StatusCreated || again.status == http.StatusOK && again.text("pass") != a.text("pass") {
		w.t.Errorf("place %d has a pass, and gets another: %d", v.place, again.status)
	}
}

// over are those whose time to claim is over in Redis, and who have no pass that they know of. When Redis is lost, their
// turn is over for good.
func (w *lateCrowd) over(k tellingKill) (over []*lateVisitor) {
	closed := uint64(w.field("floor"))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.all {
		if v.place <= closed && !v.renewed.Load() && !v.admitted.Load() {
			v.over.Store(k.wiped)
			over = append(over, v)
		}
	}
	return over
}

// lookAgain has the tickets shown whose time to claim was over. None may be called again.
func (w *lateCrowd) lookAgain(k tellingKill, over []*lateVisitor) {
	w.t.Helper()
	if len(over) == 0 {
		w.t.Errorf("%s: nobody had missed the turn", k.when)
	}
	for _, v := range over {
		a := w.ask("GET", "/ticket", &v.tellingVisitor)
		_, mayBeTakenUp := a.body["take_up_before"]
		switch state := a.text("state"); {
		case state != "missed" && state != "admitted":
			w.t.Errorf("%s: place %d had missed the turn, and is told %s", k.when, v.place, a.raw)
		case k.wiped && mayBeTakenUp:
			w.t.Errorf("%s: place %d had lost the turn with Redis, and is told %s", k.when, v.place, a.raw)
		}
	}
}

// judge compares what the journal tells with the limits and with what visitors were told.
func (w *lateCrowd) judge() {
	w.t.Helper()
	account := readAccount(w.t, w.stores.nats.URL, "told")
	w.t.Logf("%d came in time and %d late, %d too late; late claims without room: %d; claims that met a limit: %d; by the journal %d were admitted; in 60 s %+v; active %+v, in Redis %d at most",
		w.inTime.Load(), w.late.Load(), w.lost.Load(), w.noRoom.Load(), w.full.Load(), account.Admitted, account.Minute, account.Active, w.mostActive.Load())
	wantLimitsKept(w.t, account)
	if w.mostActive.Load() > w.atOnce {
		w.t.Errorf("%d passes were active in Redis", w.mostActive.Load())
	}
	// A pass whose answer was lost may be over before its visitor asks again.
	if passes := w.admitted.Load(); account.Admitted < passes || account.Admitted > passes+w.lost.Load() {
		w.t.Errorf("%d visitors have a pass, %d have none, and the journal has %d", passes, w.lost.Load(), account.Admitted)
	}
	if w.late.Load() < lateAtOnce || w.noRoom.Load() == 0 || account.Active.Most < lateCap*3/4 {
		w.t.Error("too few came late to tell anything")
	}
}
