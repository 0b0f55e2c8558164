//go:build faults

package main

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

func TestFaultVisitGoesThroughThreeProcesses(t *testing.T) {
	s := newSplit(t, newRealStores(t).env()...)
	s.start()
	s.console.createSale("drop", 10, nil)
	v := &visitor{front: s.gate.front, sale: "drop", name: "ada@example.com", client: http.DefaultClient}
	line := newCrowd(s.gate.front, "drop")
	timer := time.AfterFunc(time.Minute, line.stop)
	defer timer.Stop()
	if !line.admit(v) { // patiently: the gate may hear of the sale before another process has opened it
		t.Fatal("the visitor was not admitted within a minute")
	}
	held := must(t, http.StatusCreated, v.reservation("A", 2, "key-1")).text("id")
	order := must(t, http.StatusAccepted, v.order(held, "key-2")).text("id")
	testenv.Eventually(t, 30*time.Second, "the order is committed", func() bool {
		return must(t, http.StatusOK, call{method: "GET", url: s.gate.front + "/v1/orders/" + order}).text("status") == "committed"
	})
	must(t, http.StatusOK, call{method: "GET", url: s.gate.front + "/sales/drop"})
	s.console.verify()
	for _, process := range s.processes() {
		if code := process.terminate(); code != 0 {
			t.Errorf("SIGTERM: exit %d", code)
		}
	}
}

// TestFaultDrainKilledInABatchLosesAndDoublesNothing runs two drains. Postgres is frozen while they
// write, so that the one that is then killed dies in a batch: before or after its commit, as it happens.
func TestFaultDrainKilledInABatchLosesAndDoublesNothing(t *testing.T) {
	const units, rounds = 600, 3
	stores := newRealStores(t)
	s := newSplit(t, stores.env()...)
	second := newRole(t, "drain", append(stores.env(), "PENSTOCK_SECRET="+splitSecret))
	s.start()
	second.start()
	s.console.createSale("drop", units, map[string]any{"reservation": map[string]any{"ttl": "10s"}})
	crowd := newCrowd(s.gate.front, "drop")
	crowd.pause = 50 * time.Millisecond
	crowd.start(t)
	drains := []*server{s.drain, second}
	for round := range rounds {
		crowd.turns.Store(100)
		before := crowd.diary.count()
		testenv.Eventually(t, time.Minute, "the drop is under way", func() bool { return crowd.diary.count() >= before+20 })
		if err := stores.postgres.Pause(); err != nil {
			t.Fatal(err)
		}
		before = crowd.diary.count()
		testenv.Eventually(t, time.Minute, "orders wait for the drains", func() bool { return crowd.diary.count() >= before+20 })
		drains[round%2].kill()
		if err := stores.postgres.Resume(); err != nil {
			t.Fatal(err)
		}
		crowd.diary.wantAllCommitted(t, s.gate.front, time.Minute) // by the other drain alone
		drains[round%2].start()
	}
	crowd.sellOut(t, units, 2*time.Minute)
	crowd.diary.wantAllCommitted(t, s.gate.front, time.Minute)
	wantSoldOutExactly(t, s.console, units)
	crowd.diary.wantNothingWrong(t)
}

// TestFaultStoppingGateIsUnreadyBeforeItRefuses sends SIGTERM: load balancers must have the time to
// notice that the gate is unready, while it still answers.
func TestFaultStoppingGateIsUnreadyBeforeItRefuses(t *testing.T) {
	s := newServer(t, "PENSTOCK_DRAIN_DELAY=4s")
	s.start()
	s.createSale("drop", 10, nil)
	v := &visitor{front: s.front, sale: "drop", name: "ada"}
	v.admit(t)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 10*time.Second, "the gate says that it is unready, by a 503", func() bool {
		a, err := send(http.DefaultClient, call{method: "GET", url: s.front + "/readyz"})
		return err == nil && a.status == http.StatusServiceUnavailable
	})
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // a new connection each time
	for range 5 {
		for _, request := range []call{
			{method: "GET", url: v.salePath("")},
			{method: "GET", url: v.salePath("/ticket"), header: v.header()},
		} {
			a, err := send(fresh, request)
			if err != nil || a.status != http.StatusOK {
				t.Fatalf("%s %s in the drain delay: %d %v", request.method, request.url, a.status, err)
			}
		}
	}
	held := must(t, http.StatusCreated, v.reservation("A", 1, "key-1")).text("id")
	must(t, http.StatusAccepted, v.order(held, "key-2"))
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		t.Fatal("the server did not stop within a minute of SIGTERM")
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("SIGTERM: exit %d", code)
	}
}
