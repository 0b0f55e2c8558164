package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/testenv"
)

// TestHoldersKeepWhatTheyHoldWhenRedisForgets empties Redis in the middle of a sale: a ticket, a
// pass, a reservation and an order of before are as good afterwards, and the stock adds up.
func TestHoldersKeepWhatTheyHoldWhenRedisForgets(t *testing.T) {
	memory := testenv.Redis(t)
	s := newServer(t, append(realOrderLog(t), "PENSTOCK_REDIS_URL="+memory.URL, "PENSTOCK_POSTGRES_URL="+testenv.Postgres(t).URL)...)
	s.start()
	s.createSale("drop", 10, map[string]any{"durability": "durable"})
	v := &visitor{front: s.front, sale: "drop", name: "ada"}
	v.admit(t)
	ordered := must(t, http.StatusCreated, v.reservation("A", 1, "r-1")).text("id")
	order := must(t, http.StatusAccepted, v.order(ordered, "o-1")).text("id")
	held := must(t, http.StatusCreated, v.reservation("A", 2, "r-2")).text("id")
	late := &visitor{front: s.front, sale: "drop", name: "bob"}
	late.ticket = must(t, http.StatusCreated, call{method: "POST", url: late.salePath("/tickets")}).text("ticket")
	place := must(t, http.StatusOK, call{method: "GET", url: late.salePath("/ticket"), header: late.header()}).body["place"]

	onRedis(t, memory, func(b rueidis.Builder) rueidis.Completed { return b.Flushall().Build() })

	testenv.Eventually(t, 20*time.Second, "the holder orders what he held", func() bool {
		a, err := send(http.DefaultClient, v.order(held, "o-2"))
		return err == nil && a.status == http.StatusAccepted
	})
	again := must(t, http.StatusOK, v.order(ordered, "o-1"))
	if again.text("id") != order {
		t.Fatalf("the order of before became %s", again.raw)
	}
	stranger := &visitor{front: s.front, sale: "drop", name: "made-up", pass: v.pass}
	if a := must(t, http.StatusForbidden, stranger.reservation("A", 1, "r-4")); a.text("code") != "pass_bound" {
		t.Fatalf("the pass was lent to another customer: %s", a.raw)
	}
	must(t, http.StatusCreated, v.reservation("A", 1, "r-3"))
	after := must(t, http.StatusOK, call{method: "GET", url: late.salePath("/ticket"), header: late.header()})
	if after.body["place"] != place {
		t.Fatalf("the place went from %v to %s", place, after.raw)
	}
	newcomer := must(t, http.StatusCreated, call{method: "POST", url: late.salePath("/tickets")})
	if newcomer.body["place"].(float64) <= place.(float64) {
		t.Fatalf("a newcomer has place %v, before one who waits at %v", newcomer.body["place"], place)
	}
	testenv.Eventually(t, 10*time.Second, "both orders are committed", func() bool {
		return must(t, http.StatusOK, call{method: "GET", url: s.front + "/v1/orders/" + order}).text("status") == "committed"
	})
	s.verify()
}
