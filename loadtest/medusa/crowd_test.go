package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/loadtest/internal/stand"
)

// storeStub answers like Medusa's store API. It sells some units; what else goes wrong is decided by the visitor's email.
func storeStub(t *testing.T, units int64) *httptest.Server {
	t.Helper()
	var made, sold atomic.Int64
	reply := func(w http.ResponseWriter, status int, text string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /store/carts", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, fmt.Sprintf(`{"cart":{"id":"cart_%d"}}`, made.Add(1)))
	})
	mux.HandleFunc("POST /store/carts/{id}", func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(text), "visitor-0@"):
			reply(w, 500, `{"type":"unknown_error"}`)
		case strings.Contains(string(text), "visitor-1@"):
			<-r.Context().Done() // it hangs
		case strings.Contains(string(text), "visitor-2@"):
			panic(http.ErrAbortHandler) // the connection breaks
		case strings.Contains(string(text), "visitor-3@"):
			reply(w, 401, `{"code":"pass_required"}`)
		default:
			reply(w, 200, `{}`)
		}
	})
	for _, path := range []string{"/store/carts/{id}/line-items", "/store/carts/{id}/shipping-methods", "/store/payment-collections/{id}/payment-sessions"} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	}
	mux.HandleFunc("POST /store/payment-collections", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"payment_collection":{"id":"pay_1"}}`)
	})
	mux.HandleFunc("POST /store/carts/{id}/complete", func(w http.ResponseWriter, _ *http.Request) {
		if sold.Add(1) > units {
			reply(w, 400, `{"type":"not_allowed","message":"Not enough stock available for item iitem_1 at location sloc_1"}`)
			return
		}
		reply(w, 200, `{"type":"order","order":{"id":"order_1"}}`)
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = nil
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func newTrial(t *testing.T, units int64) *trial {
	t.Helper()
	store := storeStub(t, units)
	return &trial{
		options: options{visitors: 20, arrival: 20 * time.Millisecond, units: units, timeout: 2 * time.Second, limit: time.Minute},
		name:    unprotected, out: io.Discard, shop: &shop{address: strings.TrimPrefix(store.URL, "http://")},
	}
}

func TestEveryVisitorAndEveryRequestOfACrowdIsCountedOnce(t *testing.T) {
	got := newTrial(t, 5).crowd(t.Context())
	want := map[ending]int{bought: 5, soldOut: 11, serverError: 1, timedOut: 1, brokenOff: 1, refused: 1}
	for how, n := range want {
		if got.visits[how] != n {
			t.Errorf("%s: %d visitors, want %d", how, got.visits[how], n)
		}
	}
	if got.arrived != 20 || got.troubled() != 4 || len(got.visits) != len(want) {
		t.Errorf("%d came, %d in trouble: %v", got.arrived, got.troubled(), got.visits)
	}
	if want := 16*7 + 4*3; len(got.shop) != want {
		t.Errorf("%d requests, want %d", len(got.shop), want)
	}
	for _, how := range []ending{serverError, timedOut, brokenOff, refused} {
		if got.failures[how] != 1 {
			t.Errorf("%s: %d requests", how, got.failures[how])
		}
	}
	if longest := got.shop.percentile(100); longest < 2*time.Second {
		t.Errorf("the request that was not answered counts as %s", longest)
	}
}

func TestWhoIsStillThereAtTheLimitIsCounted(t *testing.T) {
	one := newTrial(t, 5)
	one.visitors, one.limit, one.timeout = 2, 300*time.Millisecond, time.Minute // visitor 1 hangs
	got := one.crowd(t.Context())
	if got.visits[stillThere] != 1 || got.visits[serverError] != 1 || got.failures[timedOut] != 0 {
		t.Errorf("%v %v", got.visits, got.failures)
	}
}

// roomStub is a waiting room that calls the first visitors and tells the others that it is sold out.
func roomStub(t *testing.T, passes int64) *httptest.Server {
	t.Helper()
	var joined, claims atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/sales/"+saleID+"/tickets", func(w http.ResponseWriter, _ *http.Request) {
		n := joined.Add(1)
		if n == 1 { // once: come again
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"code":"room_full"}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"ticket":"%d","state":"waiting","poll_after_ms":1}`, n)
	})
	mux.HandleFunc("GET /v1/sales/"+saleID+"/ticket", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Penstock-Ticket") == "" {
			t.Error("a poll without a ticket")
		}
		state := "called"
		if claims.Load() > passes {
			state = "sold_out"
		}
		_, _ = fmt.Fprintf(w, `{"state":%q,"poll_after_ms":1}`, state)
	})
	mux.HandleFunc("POST /v1/sales/"+saleID+"/passes", func(w http.ResponseWriter, _ *http.Request) {
		if claims.Add(1) > passes {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"code":"not_called","poll_after_ms":1}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"pass":"p"}`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestAVisitorWaitsAsToldAndLeavesWhenItIsSoldOut(t *testing.T) {
	server := roomStub(t, 1)
	count := newCounter(time.Now())
	enter := func() (string, ending) {
		r := room{client: server.Client(), front: server.URL, note: count.noteRoom}
		return r.wait(t.Context())
	}
	if pass, ended := enter(); pass != "p" || ended != "" {
		t.Fatalf("%q %q", pass, ended)
	}
	if pass, ended := enter(); pass != "" || ended != soldOut {
		t.Fatalf("%q %q", pass, ended)
	}
	got := count.done()
	if got.roomBad != 1 || len(got.shop) != 0 || len(got.room) < 6 {
		t.Errorf("%d failed of %d", got.roomBad, len(got.room))
	}
}

// With Penstock in front, the shop is reached through it alone, and with the pass.
func TestAnAdmittedVisitorGoesThroughPenstock(t *testing.T) {
	one := newTrial(t, 5)
	store := one.shop.url()
	waiting := roomStub(t, 1000)
	between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := waiting.URL
		if strings.HasPrefix(r.URL.Path, "/store/") {
			if to = store; r.Header.Get("Penstock-Pass") != "p" {
				t.Errorf("%s without the pass", r.URL.Path)
			}
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.URL.Path, r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = r.Header
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer func() { _ = res.Body.Close() }()
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	t.Cleanup(between.Close)
	one.name, one.front = protected, &front{Stand: &stand.Stand{FrontURL: between.URL}}
	one.shop.address = "127.0.0.1:1" // nobody answers there
	got := one.crowd(t.Context())
	if got.visits[bought] != 5 || got.visits[soldOut] != 11 || len(got.room) == 0 {
		t.Errorf("%v, %d requests to the room", got.visits, len(got.room))
	}
}
