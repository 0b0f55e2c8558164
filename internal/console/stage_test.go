package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/health"
	"github.com/penstock/penstock/internal/identity"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/preflight"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

const bootstrapKey = "the-first-key-of-the-test"

// stage is a console on a listener, with its own ledger and Redis.
type stage struct {
	t       *testing.T
	url     string
	console *Console
	ledger  *ledger.Ledger
	keys    map[auth.Role]string
	redrive func(context.Context, string) (checkout.Stored, error)
	unready string
	// findings are what the pre-flight shows.
	findings []preflight.Finding
	// refusing makes the pre-flight refuse to arm any sale.
	refusing atomic.Bool
}

// mayArm is what the leader and the façade of the sales ask before they arm.
func (s *stage) mayArm(context.Context) error {
	if s.refusing.Load() {
		return problem.With(problem.NotArmed, "the order log does not sync")
	}
	return nil
}

func newStage(t *testing.T) *stage {
	t.Helper()
	return newStageOn(t, filepath.Join(t.TempDir(), "ledger.db"))
}

// newStageOn is a stage whose ledger is at the URL.
func newStageOn(t *testing.T, url string) *stage {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	books, err := ledger.Open(t.Context(), url, log, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = books.Close() })
	mini := testenv.Mini(t)
	client := testenv.ConnectRedis(t, "redis://"+mini.Addr())
	board := degrade.NewBoard(client, log, "test")
	if err := board.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, ledger: books, keys: map[auth.Role]string{}}
	s.redrive = func(ctx context.Context, id string) (checkout.Stored, error) {
		o, _, err := books.Redrive(ctx, id, ledger.Units{
			Reacquire: func(context.Context, checkout.Order) error { return nil },
			GiveBack:  func(context.Context, checkout.Order, error) error { return nil },
		})
		return o, err
	}
	office := newOffice(t, books, client, board, s.mayArm, log)
	s.console = New(Deps{
		Sales: office.sales, Verifier: office.verifier, Ledger: books, Board: board,
		Preflight:     preflight.NewChecker(preflight.Source{Part: "redis", Read: func(context.Context) ([]preflight.Finding, error) { return s.findings, nil }}),
		Keys:          auth.NewKeys(bootstrapKey, keyLookup(books)),
		Invites:       identity.NewCodes([]byte("0123456789abcdef0123456789abcdef")),
		Redrive:       func(ctx context.Context, id string) (checkout.Stored, error) { return s.redrive(ctx, id) },
		Metrics:       http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeText(w, 200, "metrics\n") }),
		Ready:         func() health.Readiness { return health.Readiness{Reason: s.unready} },
		Log:           log,
		SessionSecret: []byte("0123456789abcdef0123456789abcdef"), RoomLinks: roomlink.NewKeys(testRoomSecret),
		Now:       time.Now,
		PublicURL: "https://front.example/",
	})
	server := httptest.NewServer(s.console)
	t.Cleanup(server.Close)
	t.Cleanup(s.console.Close)
	s.url = server.URL
	return s
}

// keyLookup finds the holders of keys in the ledger.
func keyLookup(l *ledger.Ledger) auth.Lookup {
	return func(ctx context.Context, hash string) (auth.Identity, bool, error) {
		key, found, err := l.KeyByHash(ctx, hash)
		if err != nil || !found {
			return auth.Identity{}, false, err
		}
		role, err := auth.ParseRole(key.Role)
		if err != nil {
			return auth.Identity{}, false, err
		}
		return auth.Identity{KeyID: key.ID, Name: key.Name, Role: role, Channels: key.Channels, Sales: key.Sales}, true, nil
	}
}

// key returns a key of the role, made through the ledger.
func (s *stage) key(role auth.Role) string {
	s.t.Helper()
	if plain, ok := s.keys[role]; ok {
		return plain
	}
	plain, hash := auth.NewKey()
	key := ledger.Key{ID: "key_" + role.String(), Name: "the " + role.String(), Role: role.String(), Hash: hash, CreatedAtMillis: 1}
	if err := s.ledger.AddKey(s.t.Context(), key); err != nil {
		s.t.Fatal(err)
	}
	s.keys[role] = plain
	return plain
}

// answer is a response that has been read to its end.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

func (s *stage) do(method, path, key, body string, headers ...string) answer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return s.send(&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, req)
}

func (s *stage) send(client *http.Client, req *http.Request) answer {
	s.t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{t: s.t, status: resp.StatusCode, header: resp.Header, body: body}
	conforms(s.t, req, a)
	return a
}

// admin calls as an admin and expects a status.
func (s *stage) admin(method, path, body string, want int, headers ...string) answer {
	s.t.Helper()
	a := s.do(method, path, bootstrapKey, body, headers...)
	a.expect(want)
	return a
}

func (a answer) expect(status int) {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
}

// refused expects a problem document with a code.
func (a answer) refused(status int, code string) {
	a.t.Helper()
	a.expect(status)
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		a.t.Fatalf("content type %q", kind)
	}
	if got := a.json()["code"]; got != code {
		a.t.Fatalf("code %v, want %s: %s", got, code, a.body)
	}
}

func (a answer) json() map[string]any {
	a.t.Helper()
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
	return out
}

// saleDoc is a small valid sale that starts some time from now.
func saleDoc(id string, startsIn time.Duration) string {
	start := time.Now().Add(startsIn).UTC()
	doc := map[string]any{
		"id": id, "name": "Sale " + id, "starts_at": start.Format(time.RFC3339), "ends_at": start.Add(2 * time.Hour).Format(time.RFC3339),
		"items": []any{map[string]any{"sku": "A", "name": "Article A", "stock": 100, "price": map[string]any{"amount": 12900, "currency": "EUR"}}},
	}
	data, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return string(data)
}

const (
	later = 24 * time.Hour
	live  = -time.Minute
)

func (s *stage) newSale(id string, startsIn time.Duration) answer {
	s.t.Helper()
	return s.admin("POST", "/admin/v1/sales", saleDoc(id, startsIn), http.StatusCreated)
}

// audited expects the newest line of the audit trail.
func (s *stage) audited(action, saleID, detail string) {
	s.t.Helper()
	entries, _, err := s.ledger.Audit(s.t.Context(), "", "", 1)
	if err != nil || len(entries) != 1 {
		s.t.Fatalf("%d entries, %v", len(entries), err)
	}
	e := entries[0]
	if e.Action != action || e.Sale != saleID || e.Actor == "" || e.Role == "" || e.IP != "127.0.0.1" || !strings.Contains(string(e.Detail), detail) {
		s.t.Fatalf("the trail says %+v with %s", e, e.Detail)
	}
}

// browser is a person with a cookie jar.
type browser struct {
	*stage
	client *http.Client
}

func (s *stage) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{stage: s, client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// signedIn is a person who has signed in with a key of the role.
func (s *stage) signedIn(role auth.Role) *browser {
	s.t.Helper()
	b := s.browser()
	b.post("/sign-in", url.Values{"key": {s.key(role)}}).expect(http.StatusSeeOther)
	return b
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	return b.send(b.client, req)
}

func (b *browser) post(path string, form url.Values, headers ...string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "text/html")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return b.send(b.client, req)
}

var csrfPattern = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// submit posts a form as the page would, with its token.
func (b *browser) submit(path string, form url.Values) answer {
	b.t.Helper()
	found := csrfPattern.FindSubmatch(b.get("/level").body)
	if found == nil {
		b.t.Fatal("the page has no form token")
	}
	form.Set("csrf", string(found[1]))
	return b.post(path, form)
}

func (a answer) shows(texts ...string) {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(string(a.body), text) {
			a.t.Fatalf("the page does not show %q:\n%s", text, a.body)
		}
	}
}

func (s *stage) record(id string) sale.Record {
	s.t.Helper()
	rec, err := s.console.deps.Sales.Sale(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return rec
}

func number(v any) string { return fmt.Sprint(v) }

var testRoomSecret = []byte("fedcba9876543210fedcba9876543210")
