package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// call is one request of a test, and what came back.
type call struct {
	method, url string
	header      map[string]string
	body        any
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    []byte
}

// text returns a string member of the body, or "".
func (a answer) text(member string) string {
	s, _ := a.body[member].(string)
	return s
}

var errNoAnswer = fmt.Errorf("no answer")

// send returns an error only when there was no whole answer, as when the server dies.
func send(client *http.Client, c call) (answer, error) {
	var body []byte
	if c.body != nil {
		var err error
		if body, err = json.Marshal(c.body); err != nil {
			return answer{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.method, c.url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	a := answer{status: res.StatusCode, header: res.Header, raw: raw}
	_ = json.Unmarshal(raw, &a.body) // CSV and pages have no members
	return a, nil
}

// must sends and fails the test unless the answer has the status.
func must(t testing.TB, status int, c call) answer {
	t.Helper()
	a, err := send(http.DefaultClient, c)
	if err != nil {
		t.Fatalf("%s %s: %v", c.method, c.url, err)
	}
	if a.status != status {
		t.Fatalf("%s %s: %d, want %d: %s", c.method, c.url, a.status, status, a.raw)
	}
	return a
}

// visitor walks the visitor's way.
type visitor struct {
	front, sale, name string
	client            *http.Client
	ticket, pass      string
	holder            string // the proof of a reservation in an open sale
}

func (v *visitor) header() map[string]string {
	h := map[string]string{}
	if v.ticket != "" {
		h["Penstock-Ticket"] = v.ticket
	}
	if v.pass != "" {
		h["Penstock-Pass"] = v.pass
	}
	if v.holder != "" {
		h["Penstock-Holder"] = v.holder
	}
	return h
}

func (v *visitor) withKey(key string) map[string]string {
	h := v.header()
	h["Idempotency-Key"] = key
	return h
}

func (v *visitor) salePath(rest string) string { return v.front + "/v1/sales/" + v.sale + rest }

// admit joins, waits to be called and claims the pass.
func (v *visitor) admit(t testing.TB) {
	t.Helper()
	v.ticket = must(t, http.StatusCreated, call{method: "POST", url: v.salePath("/tickets")}).text("ticket")
	deadline := time.Now().Add(20 * time.Second)
	for {
		state := must(t, http.StatusOK, call{method: "GET", url: v.salePath("/ticket"), header: v.header()})
		if state.text("state") == "called" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not called in time: %s", state.raw)
		}
		<-time.After(20 * time.Millisecond)
	}
	v.pass = must(t, http.StatusCreated, call{method: "POST", url: v.salePath("/passes"), header: v.header()}).text("pass")
}

func (v *visitor) reservation(sku string, quantity int, key string) call {
	return call{
		method: "POST", url: v.salePath("/reservations"), header: v.withKey(key),
		body: map[string]any{"customer": v.name, "items": []any{map[string]any{"sku": sku, "quantity": quantity}}},
	}
}

func (v *visitor) order(reservation, key string) call {
	return call{
		method: "POST", url: v.front + "/v1/orders", header: v.withKey(key),
		body: map[string]any{"reservation": reservation, "customer": map[string]any{"email": v.name}},
	}
}
