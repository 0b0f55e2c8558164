//go:build faults

package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	firstSecret  = "the-first-secret-0123456789abcdef"
	secondSecret = "the-second-secret-0123456789abcde"
)

// TestFaultNothingBreaksWhenTheSecretIsRotated rotates in the three steps of docs/operations.md: the
// new secret is announced, used, and the old one is still believed.
func TestFaultNothingBreaksWhenTheSecretIsRotated(t *testing.T) {
	for name, env := range backends() {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, append(env(t), "PENSTOCK_SECRET="+firstSecret, "PENSTOCK_NEXT_SECRET="+secondSecret)...)
			s.start()
			s.createSale("drop", 10, nil)
			s.createSale("open", 10, map[string]any{"admission": map[string]any{"mode": "open"}})
			v := &visitor{front: s.front, sale: "drop", name: "ada"}
			v.admit(t)
			walkIn := &visitor{front: s.front, sale: "open", name: "bob"} // has nothing but the token of the reservation
			taken := must(t, http.StatusCreated, walkIn.reservation("A", 1, "r-1"))
			announced := keyIDs(t, s.front)
			if len(announced) != 2 {
				t.Fatalf("keys before the rotation: %v, want the current and the next", announced)
			}
			held := must(t, http.StatusCreated, v.reservation("A", 1, "r-1")).text("id")
			waiting := must(t, http.StatusCreated, call{method: "POST", url: v.salePath("/tickets")})
			ticket := map[string]string{"Penstock-Ticket": waiting.text("ticket")}
			s.terminate()

			s.env = append(s.env, "PENSTOCK_SECRET="+secondSecret+"\n", "PENSTOCK_PREVIOUS_SECRETS="+firstSecret, "PENSTOCK_NEXT_SECRET=")
			s.start()
			s.awaitOpen("drop")
			must(t, http.StatusNoContent, call{method: "GET", url: s.front + "/v1/auth?sale=drop", header: map[string]string{"Penstock-Pass": v.pass}})
			if now := keyIDs(t, s.front); !slices.Equal(now, announced) {
				t.Fatalf("keys after the rotation: %v, announced were %v", now, announced)
			}
			place := must(t, http.StatusOK, call{method: "GET", url: v.salePath("/ticket"), header: ticket})
			if place.body["place"] != waiting.body["place"] && place.text("state") == "waiting" {
				t.Fatalf("the place went from %v to %v", waiting.body["place"], place.body["place"])
			}
			again := must(t, http.StatusCreated, v.reservation("A", 1, "r-1"))
			if again.text("id") != held {
				t.Fatalf("the same Idempotency-Key made a second hold: %s after %s", again.text("id"), held)
			}
			must(t, http.StatusAccepted, v.order(held, "o-1"))
			s.awaitOpen("open")
			must(t, http.StatusUnauthorized, walkIn.order(taken.text("id"), "o-2"))
			walkIn.holder = taken.header.Get("Penstock-Holder")
			must(t, http.StatusAccepted, walkIn.order(taken.text("id"), "o-2"))
			s.verify()
		})
	}
}

// keyIDs are the names of the published keys, sorted.
func keyIDs(t *testing.T, front string) []string {
	t.Helper()
	answer := must(t, http.StatusOK, call{method: "GET", url: front + "/.well-known/jwks.json"})
	if cache := answer.header.Get("Cache-Control"); !strings.Contains(cache, "max-age=300") {
		t.Fatalf("the keys may be cached %q, want five minutes", cache)
	}
	keys, _ := answer.body["keys"].([]any)
	var ids []string
	for _, key := range keys {
		members, _ := key.(map[string]any)
		id, _ := members["kid"].(string)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
