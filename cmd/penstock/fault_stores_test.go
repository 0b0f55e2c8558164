//go:build faults

package main

import (
	"bytes"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// storeFault takes one store away and brings it back.
type storeFault struct {
	away, back func() error
	// part is how /readyz names the store.
	part *regexp.Regexp
	// sells is whether orders are accepted while the store is away.
	sells bool
}

// TestFaultGateAnswersPollsWithoutAnyOneStore takes NATS, Redis or Postgres away for 4 s. The sale's
// document, its page and the polls of those who wait go on, and the gate stays ready; /readyz says
// which part is away. Afterwards orders are accepted.
func TestFaultGateAnswersPollsWithoutAnyOneStore(t *testing.T) {
	for name, fault := range map[string]func(realStores) storeFault{
		"NATS killed": func(s realStores) storeFault {
			return storeFault{
				away: s.nats.Kill, back: func() error { return s.nats.Start(t.Context()) },
				part: regexp.MustCompile(`(?i)nats|order.?log`),
			}
		},
		"Redis frozen": func(s realStores) storeFault {
			return storeFault{away: s.redis.Pause, back: s.redis.Resume, part: regexp.MustCompile(`(?i)redis`)}
		},
		"Postgres stopped": func(s realStores) storeFault {
			return storeFault{
				away: s.postgres.Stop, back: func() error { return s.postgres.Start(t.Context()) },
				part: regexp.MustCompile(`(?i)postgres|ledger`), sells: true,
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			stores := newRealStores(t)
			s := newServer(t, stores.env()...)
			s.start()
			s.createSale("drop", 1000, map[string]any{"admission": map[string]any{"rate_per_minute": 60000, "max_active": 1, "release_on_order": false}})
			withoutAStore(t, s, fault(stores))
		})
	}
}

func withoutAStore(t *testing.T, s *server, fault storeFault) {
	t.Helper()
	buyer := &visitor{front: s.front, sale: "drop", name: "ada"}
	buyer.admit(t)
	waiting := &visitor{front: s.front, sale: "drop", name: "bob"} // behind the only pass
	waiting.ticket = must(t, http.StatusCreated, call{method: "POST", url: waiting.salePath("/tickets")}).text("ticket")
	whole := must(t, http.StatusOK, call{method: "GET", url: s.front + "/readyz"}).raw
	if err := fault.away(); err != nil {
		t.Fatal(err)
	}
	back := false
	bring := func() {
		if !back {
			back = true
			if err := fault.back(); err != nil {
				t.Error(err)
			}
		}
	}
	defer bring()
	named := false
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); {
		polls(t, waiting)
		readiness := must(t, http.StatusOK, call{method: "GET", url: s.front + "/readyz"}).raw
		named = named || !bytes.Equal(readiness, whole) && fault.part.Match(readiness)
		<-time.After(20 * time.Millisecond)
	}
	if !named {
		t.Errorf("/readyz did not say that %s is away; it says\n%s", fault.part, must(t, http.StatusOK, call{method: "GET", url: s.front + "/readyz"}).raw)
	}
	if fault.sells {
		order := buyOne(t, buyer, "away")
		bring()
		wantCommitted(t, s, order)
	}
	bring()
	wantCommitted(t, s, buyOne(t, buyer, "back"))
	s.verify()
}

// polls asks what those ask who wait, and fails unless each is answered with 200.
func polls(t *testing.T, v *visitor) {
	t.Helper()
	client := &http.Client{Timeout: crowdPatience}
	for _, request := range []call{
		{method: "GET", url: v.salePath("")},
		{method: "GET", url: v.front + "/sales/" + v.sale, header: v.header()},
		{method: "GET", url: v.salePath("/ticket"), header: v.header()},
		{method: "GET", url: v.front + "/healthz"},
	} {
		a, err := send(client, request)
		if err != nil || a.status != http.StatusOK {
			t.Fatalf("%s %s: %d %v: %.300s", request.method, request.url, a.status, err, a.raw)
		}
	}
}

// buyOne reserves and orders one unit, and repeats what gets a 5xx or no answer.
func buyOne(t *testing.T, v *visitor, key string) (order string) {
	t.Helper()
	var held, placed answer
	testenv.Eventually(t, time.Minute, "a unit is held", func() bool {
		var err error
		held, err = send(http.DefaultClient, v.reservation("A", 1, "r-"+key))
		return err == nil && held.status == http.StatusCreated
	})
	testenv.Eventually(t, time.Minute, "the order is accepted", func() bool {
		var err error
		placed, err = send(http.DefaultClient, v.order(held.text("id"), "o-"+key))
		return err == nil && (placed.status == http.StatusAccepted || placed.status == http.StatusOK)
	})
	return placed.text("id")
}

func wantCommitted(t *testing.T, s *server, order string) {
	t.Helper()
	testenv.Eventually(t, time.Minute, "order "+order+" is committed", func() bool {
		a, err := send(http.DefaultClient, call{method: "GET", url: s.front + "/v1/orders/" + order})
		return err == nil && a.text("status") == "committed"
	})
}
