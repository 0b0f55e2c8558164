//go:build faults

package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// TestFaultOrdersOfABulkSurviveAKill kills the server right after it has answered for many orders at once: each that
// it accepted is in the ledger in the end, once.
func TestFaultOrdersOfABulkSurviveAKill(t *testing.T) {
	for name, backend := range backends() {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, backend(t)...)
			s.start()
			s.createSale("drop", 200, map[string]any{"channels": map[string]any{"web": 1, "market": 1}, "without_pass": []any{"market"}})
			key := s.admin(http.StatusCreated, "POST", "/keys", map[string]any{"name": "market", "role": "shop", "channels": []string{"market"}}).text("key")
			with := map[string]string{"Authorization": "Bearer " + key}
			const many = 100
			var asked, orders []any
			for i := range many + 1 { // one more than the channel has
				asked = append(asked, map[string]any{"idempotency_key": fmt.Sprint("r-", i), "channel": "market", "customer": fmt.Sprint("c-", i),
					"items": []any{map[string]any{"sku": "A", "quantity": 1}}})
			}
			reserve := func(part []any) (results []any) {
				a := must(t, http.StatusOK, call{method: "POST", url: s.front + "/v1/sales/drop/reservations/bulk", header: with, body: map[string]any{"reservations": part}})
				return a.body["results"].([]any)
			}
			for i, one := range reserve(asked[:many]) {
				held, ok := one.(map[string]any)["reservation"].(map[string]any)
				if !ok {
					t.Fatalf("%v", one)
				}
				orders = append(orders, map[string]any{"idempotency_key": fmt.Sprint("o-", i), "reservation": held["id"], "customer": map[string]any{"n": i}})
			}
			if last := reserve(asked[many:])[0].(map[string]any); last["status"] != 409.0 {
				t.Fatalf("one too many: %v", last)
			}
			answer := must(t, http.StatusOK, call{method: "POST", url: s.front + "/v1/orders/bulk", header: with, body: map[string]any{"orders": orders}})
			s.kill()
			s.start()
			for _, one := range answer.body["results"].([]any) {
				result := one.(map[string]any)
				if result["status"] != 202.0 {
					t.Fatalf("%v", result)
				}
				id := result["order"].(map[string]any)["id"].(string)
				testenv.Eventually(t, 20*time.Second, "the order is in the ledger", func() bool {
					a, err := send(http.DefaultClient, call{method: "GET", url: s.front + "/v1/orders/" + id})
					return err == nil && a.text("status") == "committed"
				})
			}
			s.awaitSale("drop")
			s.verify()
		})
	}
}
