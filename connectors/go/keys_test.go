package penstock

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// publisher is a Penstock that publishes keys and can be away.
type publisher struct {
	asked  atomic.Int64
	status atomic.Int64
	ids    atomic.Value // []string
	header string
}

func newKeys(t *testing.T, header string, ids ...string) (*publisher, *keys) {
	t.Helper()
	p := &publisher{header: header}
	p.status.Store(http.StatusOK)
	p.ids.Store(ids)
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return p, &keys{url: server.URL, client: server.Client(), staleFor: time.Hour}
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.asked.Add(1)
	if p.header != "" {
		w.Header().Set("Cache-Control", p.header)
	}
	w.WriteHeader(int(p.status.Load()))
	var set []string
	for _, id := range p.ids.Load().([]string) {
		x := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("%-32s", id)))
		set = append(set, `{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"`+id+`","x":"`+x+`"}`)
	}
	_, _ = w.Write([]byte(`{"keys":[` + strings.Join(set, ",") + `]}`))
}

// looks asks for a key and checks what comes of it, and how often Penstock was asked until now.
func looks(t *testing.T, p *publisher, k *keys, id string, at time.Time, want error, asked int64) {
	t.Helper()
	key, err := k.find(t.Context(), id, at)
	if !errors.Is(err, want) || (want == nil && string(key) != fmt.Sprintf("%-32s", id)) {
		t.Fatalf("key %s: %q, %v; want %v", id, key, err, want)
	}
	if n := p.asked.Load(); n != asked {
		t.Fatalf("asked %d times, want %d", n, asked)
	}
}

func TestKeysAreKeptForAsLongAsPenstockSays(t *testing.T) {
	p, k := newKeys(t, "public, max-age=300", "a")
	start := time.Now()
	looks(t, p, k, "a", start, nil, 1)
	looks(t, p, k, "a", start.Add(299*time.Second), nil, 1)
	looks(t, p, k, "a", start.Add(300*time.Second), nil, 2)
}

func TestAnUnknownKeyIsAskedForAtMostEveryTenSeconds(t *testing.T) {
	p, k := newKeys(t, "max-age=300", "a")
	start := time.Now()
	looks(t, p, k, "a", start, nil, 1)
	p.ids.Store([]string{"a", "b"})
	for range 100 {
		looks(t, p, k, "made-up", start.Add(9*time.Second), errRefused, 1)
	}
	looks(t, p, k, "b", start.Add(10*time.Second), nil, 2)
	looks(t, p, k, "made-up", start.Add(11*time.Second), errRefused, 2)
}

func TestOldKeysAreUsedForABoundedTimeWhilePenstockIsAway(t *testing.T) {
	p, k := newKeys(t, "max-age=300", "a")
	start := time.Now()
	looks(t, p, k, "a", start, nil, 1)
	p.status.Store(http.StatusServiceUnavailable)
	looks(t, p, k, "a", start.Add(301*time.Second), nil, 2)
	looks(t, p, k, "a", start.Add(302*time.Second), nil, 2)
	looks(t, p, k, "other", start.Add(303*time.Second), errUnsure, 2)
	end := start.Add(300*time.Second + time.Hour)
	looks(t, p, k, "a", end.Add(-time.Second), nil, 3)
	looks(t, p, k, "a", end, errUnsure, 3)
	p.status.Store(http.StatusOK)
	looks(t, p, k, "a", end.Add(askEvery), nil, 4)
}

func TestWithoutKeysNobodyIsRefusedForGood(t *testing.T) {
	p, k := newKeys(t, "")
	looks(t, p, k, "a", time.Now(), errUnsure, 1) // a set without keys is none
}

func TestOneRequestAsksForAll(t *testing.T) {
	p, k := newKeys(t, "max-age=300", "a")
	now := time.Now()
	var all sync.WaitGroup
	for range 50 {
		all.Add(1)
		go func() {
			defer all.Done()
			if key, err := k.find(t.Context(), "a", now); err != nil || len(key) != ed25519.PublicKeySize {
				t.Errorf("%x, %v", key, err)
			}
		}()
	}
	all.Wait()
	if n := p.asked.Load(); n != 1 {
		t.Fatalf("asked %d times", n)
	}
}

func TestHowLongKeysAreFresh(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"public, max-age=300": 5 * time.Minute, "max-age=0": minFresh, "max-age=999999": maxFresh, "no-store": defaultFresh,
		"": defaultFresh, "s-maxage=7, max-age=60": time.Minute, "max-age=99999999999999": defaultFresh,
	} {
		if got := freshFor(header); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
