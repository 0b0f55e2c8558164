//go:build faults

package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/console"
	"github.com/penstock/penstock/internal/testenv"
)

// releasedAfter is how old a pass is before it may be released in bulk, and a bit.
const releasedAfter = 8 * time.Second

func TestFaultPassesThatHoldNothingAreCountedAndThenReleased(t *testing.T) {
	s := newServer(t)
	s.start()
	s.createSale("drop", 10, nil)
	visitors := []*visitor{{name: "ada"}, {name: "bob"}, {name: "eve"}}
	for _, v := range visitors {
		v.front, v.sale = s.front, "drop"
		v.admit(t)
	}
	must(t, http.StatusCreated, visitors[0].reservation("A", 1, "r-1"))

	release := func(code int, flags ...string) string {
		t.Helper()
		out, exited := s.command(append([]string{"sale", "release", "--sale", "drop"}, flags...)...)
		if exited != code {
			t.Fatalf("%v: exit %d\n%s", flags, exited, out)
		}
		return out
	}
	testenv.Eventually(t, 2*releasedAfter, "both that hold nothing are counted", func() bool {
		out := release(0)
		return strings.Contains(out, "drop: 2 passes") && strings.Contains(out, "1 hold units") && strings.Contains(out, "nothing was changed")
	})
	if out := release(0, "--older-than", "1h"); !strings.Contains(out, "drop: 0 passes") {
		t.Errorf("of passes older than an hour: %s", out)
	}
	stays := func(v *visitor) bool {
		a, err := send(http.DefaultClient, call{method: "GET", url: s.front + "/v1/auth?sale=drop", header: v.header()})
		return err == nil && a.status == http.StatusNoContent
	}
	for _, v := range visitors {
		if !stays(v) {
			t.Errorf("counting took the pass of %s", v.name)
		}
	}
	if out := release(0, "--confirm", "--most", "1"); !strings.Contains(out, "drop: 1 passes") || !strings.Contains(out, "run it again") {
		t.Errorf("one of them: %s", out)
	}
	var done console.ReleaseAnswer
	if err := json.Unmarshal([]byte(release(0, "--confirm", "--json")), &done); err != nil || done.Released != 1 || done.Holding != 1 || done.DryRun || done.More {
		t.Errorf("the other one: %+v, %v", done, err)
	}
	testenv.Eventually(t, 10*time.Second, "who holds a unit stays, and the others are out", func() bool {
		return stays(visitors[0]) && !stays(visitors[1]) && !stays(visitors[2])
	})
	release(2, "--most", "-1")
	release(2, "--older-than", "ten minutes")
	if out, code := s.command("sale", "release", "--sale", "none"); code != 1 || !strings.Contains(out, "unknown_sale") {
		t.Errorf("of no sale: %d %s", code, out)
	}
}
