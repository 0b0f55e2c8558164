package identity

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

func TestKeysAreFetchedOnceForACrowdAndKeptWhileTheShopIsDown(t *testing.T) {
	s := newShop(t)
	synctest.Test(t, func(t *testing.T) {
		var fetches atomic.Int64
		var down atomic.Bool
		keys, err := parseKeys(s.sale.Identity.JWKS)
		if err != nil {
			t.Fatal(err)
		}
		sets := newKeySets(FetchOptions{})
		sets.fetch = func(context.Context, string) ([]jose.JSONWebKey, error) {
			fetches.Add(1)
			time.Sleep(200 * time.Millisecond)
			if down.Load() {
				return nil, errors.New("refused")
			}
			return keys, nil
		}
		at := &sale.Identity{JWKSURL: "https://shop.example/jwks.json"}
		ask := func(id string) error {
			_, err := sets.of(context.Background(), at, id, time.Now())
			return err
		}
		crowd := func(id string, want int64) {
			t.Helper()
			var all sync.WaitGroup
			for range 200 {
				all.Go(func() {
					if err := ask(id); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			synctest.Wait()
			if got := fetches.Load(); got != want {
				t.Fatalf("%d fetches, want %d", got, want)
			}
		}
		crowd("ed", 1)
		time.Sleep(askAgainAfter)
		crowd("ed", 1)
		crowd("nobody", 2) // a key id that is not known
		crowd("nobody", 2) // and again: anybody can write one
		down.Store(true)
		time.Sleep(freshFor)
		crowd("ed", 3) // asked behind their backs
		time.Sleep(StaleFor - freshFor - 2*time.Minute)
		if err := ask("ed"); err != nil {
			t.Fatal("keys of a day: ", err)
		}
		time.Sleep(4 * time.Minute)
		if err := ask("ed"); !errors.Is(err, problem.Unavailable) {
			t.Fatal("keys of more than a day: ", err)
		}
		down.Store(false)
		time.Sleep(askAgainAfter)
		if err := ask("ed"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheSetsAreBounded(t *testing.T) {
	sets := newKeySets(FetchOptions{})
	for i := range 3 * maxSets {
		sets.inlineKeys([]byte(strings.Repeat("x", i)))
		sets.remoteAt(strings.Repeat("x", i))
	}
	if len(sets.inline) > maxSets || len(sets.remote) > maxSets {
		t.Fatalf("%d and %d sets", len(sets.inline), len(sets.remote))
	}
}

func TestKeysAreFetchedFromWhereTheSettingsAllow(t *testing.T) {
	doc := newShop(t).sale.Identity.JWKS
	var other *httptest.Server
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/jwks.json":
			_, _ = w.Write(doc)
		case "/away":
			http.Redirect(w, r, other.URL+"/jwks.json", http.StatusFound)
		case "/large":
			_, _ = w.Write(append(doc, strings.Repeat(" ", maxAnswer)...))
		case "/page":
			_, _ = w.Write([]byte("<html>"))
		case "/none":
			_, _ = w.Write([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"new"}]}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	other = httptest.NewServer(server.Config.Handler)
	t.Cleanup(other.Close)
	allowed := newFetcher(FetchOptions{Hosts: []string{strings.TrimPrefix(server.URL, "http://")}})
	if keys, err := allowed.fetch(t.Context(), server.URL+"/jwks.json"); err != nil || len(keys) != 3 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, path := range []string{"/away", "/large", "/page", "/none", "/missing"} {
		if keys, err := allowed.fetch(t.Context(), server.URL+path); err == nil {
			t.Errorf("%s: %d keys", path, len(keys))
		}
	}
	if _, err := allowed.fetch(t.Context(), other.URL+"/jwks.json"); err == nil {
		t.Error("another host over plain HTTP")
	}
	secure := "https" + strings.TrimPrefix(server.URL, "http") + "/jwks.json"
	if _, err := newFetcher(FetchOptions{}).fetch(t.Context(), secure); !errors.Is(err, errNotPublic) {
		t.Errorf("an address that is not public: %v", err)
	}
}
