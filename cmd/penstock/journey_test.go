package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

func TestAVisitorGetsFromTheLineToTheLedger(t *testing.T) {
	for name, env := range backends() {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, env(t)...)
			s.start()
			s.createSale("drop", 10, nil)
			v := &visitor{front: s.front, sale: "drop", name: "ada@example.com"}
			v.admit(t)

			held := must(t, http.StatusCreated, v.reservation("A", 2, "key-1"))
			again := must(t, http.StatusCreated, v.reservation("A", 2, "key-1"))
			if held.text("id") != again.text("id") || held.text("status") != "held" {
				t.Fatalf("the same key gave %s and %s", held.raw, again.raw)
			}
			accepted := must(t, http.StatusAccepted, v.order(held.text("id"), "key-2"))
			repeated := must(t, http.StatusOK, v.order(held.text("id"), "key-2"))
			if accepted.text("id") != repeated.text("id") {
				t.Fatalf("the same order is %s and %s", accepted.raw, repeated.raw)
			}
			testenv.Eventually(t, 10*time.Second, "the order is committed", func() bool {
				return must(t, http.StatusOK, call{method: "GET", url: s.front + "/v1/orders/" + accepted.text("id")}).text("status") == "committed"
			})
			s.verify()
			if code := s.terminate(); code != 0 {
				t.Fatalf("SIGTERM: exit %d", code)
			}
		})
	}
}

func TestASaleOpensStartsAndEndsByTheClock(t *testing.T) {
	s := newServer(t)
	s.start()
	now := time.Now().UTC()
	opens, starts, ends := now.Add(2*time.Second), now.Add(4*time.Second), now.Add(7*time.Second)
	s.createSale("timed", 10, map[string]any{"opens_at": opens, "starts_at": starts, "ends_at": ends})
	phase := func() string {
		return must(t, http.StatusOK, call{method: "GET", url: s.front + "/v1/sales/timed"}).text("phase")
	}
	join := func() answer {
		a, err := send(http.DefaultClient, call{method: "POST", url: s.front + "/v1/sales/timed/tickets"})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	becomes := func(want string, at time.Time) {
		t.Helper()
		testenv.Eventually(t, time.Until(at)+time.Second, "the phase is "+want, func() bool { return phase() == want })
		if early := time.Until(at); early > 50*time.Millisecond {
			t.Fatalf("%s came %s early", want, early)
		}
	}
	if got := phase(); got != "scheduled" {
		t.Fatalf("phase %s, want scheduled", got)
	}
	if a := join(); a.status != http.StatusConflict || a.text("code") != "sale_not_open" {
		t.Fatalf("joining before the doors open: %s", a.raw)
	}
	becomes("prequeue", opens)
	early := join()
	if early.status != http.StatusCreated || early.text("state") != "early" {
		t.Fatalf("joining in the prequeue: %s", early.raw)
	}
	becomes("live", starts)
	testenv.Eventually(t, 2*time.Second, "the first in line is called", func() bool {
		h := map[string]string{"Penstock-Ticket": early.text("ticket")}
		return must(t, http.StatusOK, call{method: "GET", url: s.front + "/v1/sales/timed/ticket", header: h}).text("state") == "called"
	})
	becomes("ended", ends)
	if a := join(); a.status != http.StatusConflict {
		t.Fatalf("joining after the end: %s", a.raw)
	}
}
