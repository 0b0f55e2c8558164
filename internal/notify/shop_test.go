package notify

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// webhookShop is a shop that is told of visitors. It verifies each call with the library of Standard Webhooks.
type webhookShop struct {
	t        testing.TB
	server   *httptest.Server
	verifier *standardwebhooks.Webhook

	mu     sync.Mutex
	calls  []hookCall
	tries  int
	answer func(try int) int
}

type hookCall struct {
	id   string
	body webhookBody
}

func newWebhookShop(t testing.TB, secret string) *webhookShop {
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	s := &webhookShop{t: t, verifier: verifier}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

func (s *webhookShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.tries++
	try, answer := s.tries, s.answer
	s.mu.Unlock()
	if answer != nil {
		if status := answer(try); status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
	}
	payload, err := io.ReadAll(io.LimitReader(r.Body, 65536))
	if err != nil {
		s.t.Error(err)
	}
	if err := s.verifier.Verify(payload, r.Header); err != nil {
		s.t.Error(err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	call := hookCall{id: r.Header.Get("webhook-id")}
	if err := json.Unmarshal(payload, &call.body); err != nil || r.Header.Get("Content-Type") != "application/json" {
		s.t.Error(err, r.Header)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

func (s *webhookShop) called() []hookCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}
