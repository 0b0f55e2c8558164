//go:build faults

package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/internal/testenv/drand"
)

// fairSale is a sale with a draw on a running server, and what a visitor keeps of it.
type fairSale struct {
	t      *testing.T
	server *server
	beacon *drand.Beacon
	saved  []string // files
}

// TestFaultWhatIsPublishedOfASaleIsCheckedAgain runs a sale with a beacon on real stores. The server is killed when the
// report is there. In the second sale somebody who can write to Redis lets one more take part after the count was published.
func TestFaultWhatIsPublishedOfASaleIsCheckedAgain(t *testing.T) {
	stores := newRealStores(t)
	s := newServer(t, stores.env()...)
	s.start()
	f := fairSale{t: t, server: s, beacon: drand.New(t, "chain")}
	f.run("fair", func() {})
	out, code := s.command("fairness", "--sale", "fair")
	if code != 0 || !strings.Contains(out, "everything holds") || !strings.Contains(out, "inversions 0") {
		t.Fatalf("exit %d\n%s", code, out)
	}
	body := f.published("fair")
	printed, code := s.command("fairness", "--sale", "fair", "--json")
	asked := s.admin(http.StatusOK, "GET", "/sales/fair/fairness", nil)
	if code != 0 || printed != string(body) || !bytes.Equal(asked.raw, body) {
		t.Fatalf("the command prints, and the console tells, other bytes than are published: exit %d", code)
	}
	if out, code := f.recheck(body, "beacon="+f.beacon.URL); code != 0 {
		t.Fatalf("the script: exit %d\n%s", code, out)
	}
	s.kill()
	s.start()
	s.awaitSale("fair")
	if again := f.published("fair"); !bytes.Equal(again, body) {
		t.Fatal("another report is published after a restart")
	}

	f.saved = nil
	client := testenv.ConnectRedis(t, stores.redis.URL)
	f.run("unfair", func() {
		key, err := client.Do(t.Context(), client.B().Keys().Pattern("*{unfair}*room").Build()).AsStrSlice()
		if err != nil || len(key) != 1 {
			t.Fatalf("the key of the room is one of %v, %v", key, err)
		}
		if err := client.Do(t.Context(), client.B().Hincrby().Key(key[0]).Field("draw_count").Increment(1).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	})
	if out, code := s.command("fairness", "--sale", "unfair"); code != 1 || !strings.Contains(out, "BROKEN") {
		t.Fatalf("exit %d\n%s", code, out)
	}
	if out, code := f.recheck(f.published("unfair"), "beacon="+f.beacon.URL); code != 1 || !strings.Contains(out, "WRONG") {
		t.Fatalf("the script: exit %d\n%s", code, out)
	}
}

// run lets 40 visitors join before the start and 5 after it, and ends the sale when they have been admitted. Counted
// is called once the count is published.
func (f *fairSale) run(id string, counted func()) {
	f.t.Helper()
	now := time.Now().UTC()
	terms := f.beacon.Terms(now.Add(-time.Hour), 3*time.Second)
	f.server.createSale(id, 1000, map[string]any{
		"opens_at": now.Add(-time.Second), "starts_at": now.Add(6 * time.Second),
		"admission": map[string]any{"order": "draw", "rate_per_minute": 6000, "max_active": 100},
		"draw":      map[string]any{"beacon": terms, "if_missing": "wait"},
	})
	if out, code := f.server.command("fairness", "--sale", id); code != 1 || !strings.Contains(out, "no_report") {
		f.t.Fatalf("the report on a sale that goes on: exit %d\n%s", code, out)
	}
	var tickets []string
	join := func(n int) {
		f.t.Helper()
		for range n {
			tickets = append(tickets, must(f.t, http.StatusCreated, call{method: "POST", url: f.server.front + "/v1/sales/" + id + "/tickets"}).text("ticket"))
		}
	}
	join(40)
	f.keepWhen(id, `"chain_hash"`) // which is told with the commitment
	f.keepWhen(id, `"count"`)
	counted()
	join(5)
	f.keepWhen(id, `"completed_seed"`)
	f.admit(id, tickets)
	f.server.admin(http.StatusOK, "POST", "/sales/"+id+"/end", nil)
	f.published(id)
}

// admit waits until each of the visitors has a pass.
func (f *fairSale) admit(id string, tickets []string) {
	f.t.Helper()
	for _, ticket := range tickets {
		testenv.Eventually(f.t, 30*time.Second, "the visitor is admitted", func() bool {
			a, err := send(http.DefaultClient, call{method: "POST", url: f.server.front + "/v1/sales/" + id + "/passes", header: map[string]string{"Penstock-Ticket": ticket}})
			return err == nil && (a.status == http.StatusCreated || a.status == http.StatusOK)
		})
	}
}

// keepWhen saves the public document once it has a member.
func (f *fairSale) keepWhen(id, member string) {
	f.t.Helper()
	name := filepath.Join(f.t.TempDir(), strconv.Itoa(len(f.saved))+".json")
	testenv.Eventually(f.t, 30*time.Second, "the document has "+member, func() bool {
		a, err := send(http.DefaultClient, call{method: "GET", url: f.server.front + "/v1/sales/" + id})
		if err != nil || !strings.Contains(string(a.raw), member) {
			return false
		}
		return os.WriteFile(name, a.raw, 0o600) == nil
	})
	f.saved = append(f.saved, name)
}

// published is the report, once it is there.
func (f *fairSale) published(id string) (body []byte) {
	f.t.Helper()
	testenv.Eventually(f.t, time.Minute, "the report is published", func() bool {
		a, err := send(http.DefaultClient, call{method: "GET", url: f.server.front + "/v1/sales/" + id + "/fairness"})
		body = a.raw
		return err == nil && a.status == http.StatusOK
	})
	return body
}

func (f *fairSale) recheck(report []byte, options ...string) (string, int) {
	f.t.Helper()
	file := filepath.Join(f.t.TempDir(), "report.json")
	if err := os.WriteFile(file, report, 0o600); err != nil {
		f.t.Fatal(err)
	}
	args := append([]string{"../../internal/front/static/recheck.mjs", file}, append(f.saved, options...)...)
	cmd := exec.CommandContext(f.t.Context(), "node", args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		f.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
