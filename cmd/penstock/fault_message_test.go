//go:build faults

package main

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// openPage does what the waiting-room page does for the operator's message: it reads the notice, and again after the
// time that the answer says. It sends what it sees whenever that changes.
func openPage(ctx context.Context, front string, sees chan<- string) {
	etag, shown := "", "?"
	after := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(after):
		}
		got, err := send(http.DefaultClient, call{method: "GET", url: front + "/v1/sales/drop/notice", header: map[string]string{"If-None-Match": etag}})
		if err != nil || got.status != http.StatusOK {
			continue // 304: as before
		}
		etag = got.header.Get("ETag")
		millis, _ := got.body["refresh_after_ms"].(float64)
		after = time.Duration(millis) * time.Millisecond
		if now := got.text("message"); now != shown {
			shown = now
			sees <- now
		}
	}
}

// A message is on every open page within 3 s, also where a shared cache keeps the answer for its second, and gone as
// soon when it is taken down, when its time is over and when the phase changes.
func TestFaultTheOperatorsMessageReachesEveryOpenPageWithinThreeSeconds(t *testing.T) {
	const within, sharedCache = 3 * time.Second, time.Second
	check := func(t *testing.T, operator *server, front string) {
		operator.createSale("drop", 10, nil)
		page := make(chan string, 16)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go openPage(ctx, front, page)
		await := func(what, want string, since time.Time, limit time.Duration) {
			t.Helper()
			for {
				select {
				case got := <-page:
					if took := time.Since(since); got == want && took > limit {
						t.Fatalf("%s: after %v", what, took)
					} else if got == want {
						t.Logf("%s: after %v", what, took.Round(time.Millisecond))
						return
					}
				case <-time.After(10 * time.Second):
					t.Fatalf("%s: not seen", what)
				}
			}
		}
		await("the page is open", "", time.Now(), 10*time.Second)
		put := func(body map[string]any) time.Time {
			before := time.Now()
			operator.admin(http.StatusOK, "PUT", "/sales/drop/message", body)
			return before
		}
		post := func(action string) time.Time {
			before := time.Now()
			operator.admin(http.StatusOK, "POST", "/sales/drop/"+action, nil)
			return before
		}
		await("it is shown", "one", put(map[string]any{"message": "one"}), within-sharedCache)
		await("it is taken down", "", put(map[string]any{"message": ""}), within-sharedCache)
		post("pause")
		await("it says why", "two", put(map[string]any{"message": "two"}), within-sharedCache)
		await("the sale goes on", "", post("resume"), within-sharedCache)
		until := time.Now().Add(3 * time.Second)
		await("one with an end", "three", put(map[string]any{"message": "three", "until": until}), within-sharedCache)
		await("its end", "", until, within-sharedCache)
	}
	t.Run("embedded", func(t *testing.T) {
		s := newServer(t)
		s.start()
		check(t, s, s.front)
	})
	t.Run("real, a gate of its own", func(t *testing.T) {
		s := newSplit(t, backends()["real"](t)...)
		s.start()
		check(t, s.console, s.gate.front)
	})
}
