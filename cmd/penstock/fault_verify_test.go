//go:build faults

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/fairness"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/internal/verify"
)

const (
	busyFor      = 20 * time.Second // a healthy sale
	busyShoppers = 4
	busyPart     = 20 // reservations of one request
	busyWait     = "10s"
	// busyFindWithin is how soon a drift must be found.
	busyFindWithin = 30 * time.Second
)

// TestFaultTheVerdictOnABusySaleIsRight asks for the verdict all the time while reservations are made, given back,
// ordered and left to lapse: it is never that something is broken. Then one drift after the other is planted under
// the same load, and each is found by its name.
func TestFaultTheVerdictOnABusySaleIsRight(t *testing.T) {
	stores := newRealStores(t)
	s := newServer(t, stores.env()...)
	s.start()
	s.createSale("drop", 1_000_000, map[string]any{
		"channels": map[string]any{"web": 1, "market": 1}, "without_pass": []any{"market"}, "reservation": map[string]any{"ttl": "2s"},
	})
	b := &busySale{server: s, stores: stores}
	stop := b.shop(t)
	defer stop()
	testenv.Eventually(t, 20*time.Second, "orders are taken", func() bool { return b.ordered.Load() > 100 })

	looks, held := 0, 0
	for until := time.Now().Add(busyFor); time.Now().Before(until); looks++ {
		report := b.verdict(t, busyWait)
		if report.Verdict == fairness.Broken {
			t.Fatalf("a sound sale is called broken: %+v", report.Sales[0].Checks)
		}
		if report.OK {
			held++
		}
	}
	if held < looks/2 || held == 0 {
		t.Errorf("only %d of %d verdicts were reached", held, looks)
	}
	if shown := b.drift(); shown == nil || len(shown.Drifts) != 0 {
		t.Errorf("the leader shows a drift of a sound sale: %+v", shown)
	}
	for _, d := range b.drifts() {
		d.plant(t)
		b.find(t, d.check)
		if d.shown != "" {
			testenv.Eventually(t, 3*verify.ReconcileEvery, "the leader shows the drift", func() bool {
				shown := b.drift()
				return shown != nil && len(shown.Drifts) == 1 && shown.Drifts[0] == verify.Drift{SKU: "A", Between: d.shown, Units: 1}
			})
		}
		d.mend(t)
		b.recovered(t, d.check)
	}
	stop()
	s.verify()
	t.Logf("%d orders, %d given back; %d of %d verdicts were reached", b.ordered.Load(), b.released.Load(), held, looks)
}

type busySale struct {
	*server
	stores            realStores
	ordered, released atomic.Int64
}

// shop lets shoppers buy until the function that it returns is called.
func (b *busySale) shop(t *testing.T) (stop func()) {
	key := b.admin(http.StatusCreated, "POST", "/keys", map[string]any{"name": "market", "role": "shop", "channels": []string{"market"}}).text("key")
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for shopper := range busyShoppers {
		running.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				b.round(map[string]string{"Authorization": "Bearer " + key}, fmt.Sprint(shopper, "-", round))
			}
		})
	}
	return sync.OnceFunc(func() { cancel(); running.Wait() })
}

// round makes some reservations. Of five, three are ordered, one is given back and one lapses.
func (b *busySale) round(with map[string]string, name string) {
	asked := make([]any, busyPart)
	for i := range asked {
		asked[i] = map[string]any{
			"idempotency_key": fmt.Sprint("r-", name, "-", i), "channel": "market", "customer": fmt.Sprint("c-", name, "-", i),
			"items": []any{map[string]any{"sku": "A", "quantity": 1 + i%2}},
		}
	}
	var orders []any
	for i, one := range b.results(with, "/v1/sales/drop/reservations/bulk", map[string]any{"reservations": asked}) {
		held, ok := one.(map[string]any)["reservation"].(map[string]any)
		switch {
		case !ok || i%5 == 4:
		case i%5 == 3:
			_, err := send(http.DefaultClient, call{method: "DELETE", url: b.front + "/v1/reservations/" + held["id"].(string), header: with})
			if err == nil {
				b.released.Add(1)
			}
		default:
			orders = append(orders, map[string]any{"idempotency_key": fmt.Sprint("o-", name, "-", i), "reservation": held["id"], "customer": map[string]any{"n": i}})
		}
	}
	if len(orders) > 0 {
		for _, one := range b.results(with, "/v1/orders/bulk", map[string]any{"orders": orders}) {
			if one.(map[string]any)["status"] == 202.0 {
				b.ordered.Add(1)
			}
		}
	}
}

func (b *busySale) results(with map[string]string, path string, body any) []any {
	a, err := send(http.DefaultClient, call{method: "POST", url: b.front + path, header: with, body: body})
	if err != nil {
		return nil
	}
	results, _ := a.body["results"].([]any)
	return results
}

func (b *busySale) verdict(t *testing.T, wait string) (report verify.Report) {
	t.Helper()
	a := b.admin(http.StatusOK, "GET", "/sales/drop/verify?wait="+wait, nil)
	err := json.Unmarshal(a.raw, &report)
	if err != nil || len(report.Sales) != 1 {
		t.Fatalf("verify answered %v (%v)", a.body, err)
	}
	return report
}

// find fails the test unless a check is found broken, and no other beside it, soon.
func (b *busySale) find(t *testing.T, name string) {
	t.Helper()
	for until := time.Now().Add(busyFindWithin); time.Now().Before(until); {
		for _, c := range b.verdict(t, "2s").Sales[0].Checks {
			if c.Verdict == fairness.Broken && c.Name == name {
				t.Logf("%s: %s", name, c.Detail)
				return
			}
		}
	}
	t.Errorf("a drift of %s was not found within %s", name, busyFindWithin)
}

func (b *busySale) recovered(t *testing.T, name string) {
	t.Helper()
	if report := b.verdict(t, busyWait); report.Verdict == fairness.Broken {
		t.Fatalf("after the drift of %s was mended: %+v", name, report.Sales[0].Checks)
	}
}

// drift is a difference that is made by hand.
type drift struct {
	check       string
	shown       verify.Between // by the leader, which is looked at for some alone: it takes two measurements
	plant, mend func(*testing.T)
}

// drift is what the leader shows.
func (b *busySale) drift() *verify.DriftReport {
	a := b.admin(http.StatusOK, "GET", "/sales/drop/stats", nil)
	var stats verify.Stats
	if json.Unmarshal(a.raw, &stats) != nil {
		return nil
	}
	return stats.Drift
}

func (b *busySale) drifts() []drift {
	count := func(changes map[string]int64) func(*testing.T) {
		return func(t *testing.T) {
			for field, by := range changes {
				onRedis(t, b.stores.redis, func(c rueidis.Builder) rueidis.Completed {
					return c.Hincrby().Key(redis.Key("drop", "stock")).Field(field + "|A|market").Increment(by).Build()
				})
			}
		}
	}
	books := func(statement string) func(*testing.T) {
		return func(t *testing.T) {
			if out, err := psql(t, b.stores.postgres.URL, "-c", statement); err != nil {
				t.Fatal(out)
			}
		}
	}
	const one = `(SELECT id FROM orders WHERE sale = 'drop' ORDER BY created_ms, id LIMIT 1)`
	return []drift{
		{"balance", "", count(map[string]int64{"held": 1}), count(map[string]int64{"held": -1})},
		{"holds_add_up", "", count(map[string]int64{"held": 1, "available": -1}), count(map[string]int64{"held": -1, "available": 1})},
		{"every_order_in_the_ledger", verify.BetweenOrders, count(map[string]int64{"sold": 1, "available": -1}), count(map[string]int64{"sold": -1, "available": 1})},
		{"orders_add_up", "", books(`UPDATE items SET sold = sold + 1 WHERE sale = 'drop' AND sku = 'A'`), books(`UPDATE items SET sold = sold - 1 WHERE sale = 'drop' AND sku = 'A'`)},
		{"orders_add_up", "", books(`UPDATE order_lines SET quantity = quantity + 1 WHERE position = 0 AND order_id = ` + one), books(`UPDATE order_lines SET quantity = quantity - 1 WHERE position = 0 AND order_id = ` + one)},
		{"every_order_in_the_ledger", "", books(`CREATE TABLE gone AS SELECT * FROM orders WHERE id = ` + one + `; DELETE FROM orders WHERE id IN (SELECT id FROM gone);
			UPDATE items SET sold = sold - (SELECT sum(quantity) FROM order_lines WHERE order_id IN (SELECT id FROM gone)) WHERE sale = 'drop' AND sku = 'A'`),
			books(`INSERT INTO orders SELECT * FROM gone;
			UPDATE items SET sold = sold + (SELECT sum(quantity) FROM order_lines WHERE order_id IN (SELECT id FROM gone)) WHERE sale = 'drop' AND sku = 'A'`)},
	}
}
