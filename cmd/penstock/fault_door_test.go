//go:build faults

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	doorVisitors = 60
	doorFor      = 6 * time.Second
	// doorLeast is what is asked of a machine that is busy with other tests, and with the race detector in the
	// tests; the figure of a quiet machine is in the log.
	doorLeast = 200
)

// TestFaultVisitorsPassAFreeRoomAtOnce has 60 visitors at a time enter a free room, one after the other: each joins
// and claims. Nobody may have to ask twice.
func TestFaultVisitorsPassAFreeRoomAtOnce(t *testing.T) {
	stores := newRealStores(t)
	s := newServer(t, stores.env()...)
	s.start()
	s.createSale("door", 1_000_000, map[string]any{
		"admission": map[string]any{"rate_per_minute": 600_000, "max_active": 1_000_000},
	})
	var passed atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	until := time.Now().Add(doorFor)
	for range doorVisitors {
		all.Go(func() {
			c := dialFront(t, s.front)
			defer c.close()
			var mine []time.Duration
			for time.Now().Before(until) {
				began := time.Now()
				joined := c.post("/v1/sales/door/tickets", "")
				if joined.status != http.StatusCreated || joined.State != "called" {
					t.Errorf("join: %d %s", joined.status, joined.text)
					return
				}
				if admitted := c.post("/v1/sales/door/passes", joined.Ticket); admitted.status != http.StatusCreated {
					t.Errorf("claim: %d %s", admitted.status, admitted.text)
					return
				}
				mine = append(mine, time.Since(began))
				passed.Add(1)
			}
			mu.Lock()
			took = append(took, mine...)
			mu.Unlock()
		})
	}
	all.Wait()
	slices.Sort(took)
	perSecond := float64(passed.Load()) / doorFor.Seconds()
	t.Logf("%d at a time: %.0f admissions a second, join and claim p50 %s, p99 %s", doorVisitors, perSecond, took[len(took)/2], took[len(took)*99/100])
	if perSecond < doorLeast {
		t.Errorf("%.0f admissions a second", perSecond)
	}
	one := dialFront(t, s.front)
	defer one.close()
	var alone []time.Duration
	for range 200 {
		began := time.Now()
		joined := one.post("/v1/sales/door/tickets", "")
		one.post("/v1/sales/door/passes", joined.Ticket)
		alone = append(alone, time.Since(began))
	}
	slices.Sort(alone)
	t.Logf("one at a time: join and claim p50 %s, p99 %s", alone[len(alone)/2], alone[len(alone)*99/100])
	room, ok := s.admin(http.StatusOK, "GET", "/sales/door/stats", nil).body["room"].(map[string]any)
	if !ok {
		t.Fatal("no figures of the room")
	}
	figure := func(name string) int64 { n, _ := room[name].(float64); return int64(n) }
	if figure("peak_active") > figure("max_active_limit") || figure("peak_per_minute") > figure("per_minute_limit") ||
		figure("claimed") != passed.Load()+int64(len(alone)) {
		t.Errorf("%v, and %d passed", room, passed.Load()+int64(len(alone)))
	}
}

// frontConn is one connection to the front, with little work for a request.
type frontConn struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	host string
}

type frontAnswer struct {
	status      int
	text        string
	Ticket      string `json:"ticket"`
	State       string `json:"state"`
	Place       uint64 `json:"place"`
	PollAfterMS int64  `json:"poll_after_ms"`
}

func dialFront(t testing.TB, front string) *frontConn {
	c := tryFront(t, strings.TrimPrefix(front, "http://"))
	if c == nil {
		t.Errorf("%s cannot be reached", front)
		return &frontConn{t: t}
	}
	return c
}

// tryFront returns nil when nobody listens there.
func tryFront(t testing.TB, host string) *frontConn {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil
	}
	return &frontConn{t: t, conn: conn, in: bufio.NewReader(conn), host: host}
}

func (c *frontConn) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

func (c *frontConn) post(path, ticket string) frontAnswer { return c.call("POST", path, ticket) }

// call returns the status 0 when the connection broke.
func (c *frontConn) call(method, path, ticket string) (a frontAnswer) {
	if c.conn == nil {
		return a
	}
	head := ""
	if ticket != "" {
		head = "Penstock-Ticket: " + ticket + "\r\n"
	}
	if _, err := fmt.Fprintf(c.conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 0\r\n\r\n", method, path, c.host, head); err != nil {
		return a
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return a
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return a
	}
	a.status, a.text = response.StatusCode, string(body)
	_ = json.Unmarshal(body, &a) // of what is no document, the status tells
	return a
}
