//go:build faults

package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const killStock = 150

// TestFaultAKilledServerLosesNoAcceptedOrder kills the process with SIGKILL twice while buyers buy, and
// starts it again. Whatever was answered 2xx must be in the ledger, once, and nothing oversold.
func TestFaultAKilledServerLosesNoAcceptedOrder(t *testing.T) {
	for name, env := range backends() {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, env(t)...)
			s.start()
			s.createSale("drop", killStock, nil)
			buyers := newCrowd(s.front, "drop")
			buyers.turns.Store(100 * killStock) // they never stop asking
			buyers.start(t)
			for round := range 2 {
				want := (round + 1) * killStock / 3
				testenv.Eventually(t, 60*time.Second, fmt.Sprintf("%d orders are accepted", want), func() bool { return buyers.diary.count() >= want })
				s.kill()
				s.start()
				s.awaitSale("drop")
			}
			buyers.sellOut(t, killStock, 90*time.Second)
			testenv.Eventually(t, 30*time.Second, "the buyers are told that it is sold out", func() bool {
				a, err := send(http.DefaultClient, call{method: "GET", url: s.front + "/v1/sales/drop"})
				if err != nil {
					return false
				}
				items, _ := a.body["items"].([]any)
				first, _ := items[0].(map[string]any)
				return first["availability"] != "in_stock" && first["availability"] != "low"
			})
			buyers.diary.wantAllCommitted(t, s.front, 20*time.Second)
			s.verify()
			buyers.diary.wantNothingWrong(t)
		})
	}
}
