//go:build faults

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/internal/testenv/drand"
)

// laneVisitors join each lane before the start, and laneLate after it.
const (
	laneVisitors = 20
	laneLate     = 3
)

// TestFaultASaleWithLanesIsCheckedAgain runs a sale with a priority lane on real stores, in the order of arrival and with a
// draw, and checks what is published with the script. In the draw the only process is killed and Redis is emptied when the
// counts are published, and the process is killed once more when the draw is made. In the third sale somebody who can
// write to Redis lets one more of the lane take part after the counts were published.
func TestFaultASaleWithLanesIsCheckedAgain(t *testing.T) {
	stores := newRealStores(t)
	s := newServer(t, append(stores.env(), joinKeys)...)
	s.start()
	client := testenv.ConnectRedis(t, stores.redis.URL)
	nothing := func(string) {}
	restart := func(id string) {
		s.start()
		s.awaitSale(id)
	}
	for _, c := range []struct {
		order          string
		counted, drawn func(id string)
	}{
		{"fifo", nothing, nothing},
		{"draw", func(id string) {
			testenv.Eventually(t, 30*time.Second, "the journal says when the counts were published", func() bool {
				d := readAccount(t, stores.nats.URL, id).Draw
				return d != nil && !d.PublishedAt.IsZero()
			})
			s.kill()
			onRedis(t, stores.redis, func(b rueidis.Builder) rueidis.Completed { return b.Flushall().Build() })
			restart(id)
		}, func(id string) {
			s.kill()
			restart(id)
		}},
	} {
		f := laneFair{fairSale: fairSale{t: t, server: s, beacon: drand.New(t, "chain")}, counted: c.counted, drawn: c.drawn}
		f.run("lanes-"+c.order, c.order)
		f.checkAgain("lanes-" + c.order)
	}

	f := laneFair{fairSale: fairSale{t: t, server: s, beacon: drand.New(t, "chain")}, drawn: nothing}
	f.counted = func(id string) {
		key, err := client.Do(t.Context(), client.B().Keys().Pattern("*{"+id+"}*room").Build()).AsStrSlice()
		if err != nil || len(key) != 1 {
			t.Fatalf("the key of the room is one of %v, %v", key, err)
		}
		if err := client.Do(t.Context(), client.B().Hincrby().Key(key[0]).Field("1:draw_count").Increment(1).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	f.run("lanes-unfair", "draw")
	if out, code := s.command("fairness", "--sale", "lanes-unfair"); code != 1 || !strings.Contains(out, "BROKEN") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if out, code := f.recheck(f.published("lanes-unfair"), "beacon="+f.beacon.URL); code != 1 || !strings.Contains(out, "WRONG") {
		t.Errorf("the script: exit %d\n%s", code, out)
	}
}

// laneFair is a sale with the lane vip. counted and drawn are called once the counts are published, and once the draw
// is made.
type laneFair struct {
	fairSale
	counted, drawn func(id string)
	everybody, vip []string // tickets
	places         map[string]float64
}

func (f *laneFair) run(id, order string) {
	f.t.Helper()
	now := time.Now().UTC()
	document := map[string]any{
		"opens_at": now.Add(-time.Second), "starts_at": now.Add(6 * time.Second),
		"identity": map[string]any{"join_token": "optional", "shared_keys": []string{"k1"}},
		"admission": map[string]any{
			"order": order, "rate_per_minute": 6000, "max_active": 100, "lanes": []map[string]any{{"name": "vip", "share": 0.3}},
		},
	}
	if order == "draw" {
		document["draw"] = map[string]any{"beacon": f.beacon.Terms(now.Add(-time.Hour), 3*time.Second), "if_missing": "wait"}
	}
	f.server.createSale(id, 1000, document)
	f.join(id, laneVisitors)
	if order == "draw" {
		f.keepWhen(id, `"chain_hash"`) // which is told with the commitment
		f.keepWhen(id, `"count"`)
		f.counted(id)
		f.keepWhen(id, `"count"`)
		f.join(id, laneLate)
		f.keepWhen(id, `"completed_seed"`)
		f.drawn(id)
	} else {
		f.keepWhen(id, `"vip"`)
	}
	f.places = make(map[string]float64)
	for _, ticket := range slices.Concat(f.everybody, f.vip) {
		testenv.Eventually(f.t, 30*time.Second, "the place is told", func() bool {
			a, err := send(http.DefaultClient, call{method: "GET", url: f.server.front + "/v1/sales/" + id + "/ticket", header: map[string]string{"Penstock-Ticket": ticket}})
			if err == nil && a.status == http.StatusOK {
				f.places[ticket], _ = a.body["place"].(float64)
			}
			return f.places[ticket] > 0
		})
	}
	f.admit(id, slices.Concat(f.everybody, f.vip))
	f.server.admin(http.StatusOK, "POST", "/sales/"+id+"/end", nil)
	f.published(id)
}

func (f *laneFair) join(id string, n int) {
	f.t.Helper()
	post := func(body map[string]any, lane string) string {
		a := must(f.t, http.StatusCreated, call{method: "POST", url: f.server.front + "/v1/sales/" + id + "/tickets", body: body})
		if a.text("lane") != lane {
			f.t.Fatalf("for the lane %q the answer is %s", lane, a.raw)
		}
		return a.text("ticket")
	}
	for range n {
		f.everybody = append(f.everybody, post(map[string]any{}, ""))
		f.vip = append(f.vip, post(map[string]any{"join_token": laneTokenOf(f.t, id, fmt.Sprintf("customer-%d", len(f.vip)), "vip")}, "vip"))
	}
}

// checkAgain compares the report, the command and the script with what the visitors were told.
func (f *laneFair) checkAgain(id string) {
	f.t.Helper()
	out, code := f.server.command("fairness", "--sale", id)
	if code != 0 || !strings.Contains(out, "everything holds") || !strings.Contains(out, "inversions 0") {
		f.t.Fatalf("%s: exit %d\n%s", id, code, out)
	}
	body := f.published(id)
	var report struct {
		Lanes []string
		Draw  *struct {
			Count int
			Lanes []int
		}
	}
	if err := json.Unmarshal(body, &report); err != nil || !slices.Equal(report.Lanes, []string{"vip"}) {
		f.t.Fatalf("%s: %v, the lanes are %v", id, err, report.Lanes)
	}
	if d := report.Draw; d != nil && (!slices.Equal(d.Lanes, []int{laneVisitors, laneVisitors}) || d.Count != 2*laneVisitors || !strings.Contains(out, fmt.Sprintf("lane vip      %d", laneVisitors))) {
		f.t.Fatalf("%s: drawn are %+v\n%s", id, d, out)
	}
	for _, tickets := range [][]string{f.everybody, f.vip} {
		for _, at := range []int{0, 7, len(tickets) - 1} {
			out, code := f.recheck(body, "beacon="+f.beacon.URL, "ticket="+tickets[at])
			if want := fmt.Sprintf("had place %v, called 2", f.places[tickets[at]]); code != 0 || !strings.Contains(out, want) {
				f.t.Fatalf("%s: the script: exit %d, without %q\n%s", id, code, want, out)
			}
		}
	}
}
