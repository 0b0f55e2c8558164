// Package console is the side of Penstock that its own people use: the admin API, the web console
// and the metrics, on a listener of their own.
//
// Both ways in share the acts of acts.go: an act checks the role that the sale's phase asks for,
// has package sales do it, and writes the audit trail. The web pages work without JavaScript.
package console

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/health"
	"github.com/penstock/penstock/internal/identity"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/notify"
	"github.com/penstock/penstock/internal/preflight"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sales"
	"github.com/penstock/penstock/internal/verify"
)

// Deps is what the console works with. All but Redrive, OtherSessionSecrets and PublicURL are required.
type Deps struct {
	Sales    *sales.Sales
	Verifier *verify.Verifier
	// Preflight reads the settings of the stores.
	Preflight *preflight.Checker
	Ledger    *ledger.Ledger
	Board     *degrade.Board
	Keys      *auth.Keys
	// Invites make of an invite what the ledger stores.
	Invites *identity.Codes
	// Redrive commits the order of a dead letter and resolves the letter, or refuses: see
	// ledger.Ledger.Redrive.
	Redrive func(ctx context.Context, letterID string) (checkout.Stored, error)
	// Notify knows what a sale offers to visitors who wait, and WebhookKeys what its webhook is signed with.
	Notify      *notify.Desk
	WebhookKeys *notify.WebhookKeys
	Metrics     http.Handler
	// Ready says whether this node should get traffic, and how its parts are doing.
	Ready func() health.Readiness
	Log   *slog.Logger
	// SessionSecret signs the cookies: 32 bytes or more.
	SessionSecret []byte
	// OtherSessionSecrets are former secrets and the next; cookies signed with them are believed too.
	OtherSessionSecrets [][]byte
	Now                 func() time.Time
	// PublicURL is where browsers see the front; links to the waiting rooms begin with it. Without
	// it there are no such links.
	PublicURL string
	// RoomLinks sign the previews of waiting rooms.
	RoomLinks *roomlink.Keys
}

// Console is the handler of the console's listener.
type Console struct {
	deps     Deps
	sessions *auth.Sessions
	door     *auth.Door // of the admin API and the sign-in together
	pages    pages
	static   http.Handler
	live     *figures
	streams  *streams
	mux      *http.ServeMux
}

// New wires the console. Serve it with net/http and hand Close to the server's RegisterOnShutdown.
func New(deps Deps) *Console {
	deps.PublicURL = strings.TrimSuffix(deps.PublicURL, "/")
	c := &Console{
		deps:     deps,
		sessions: auth.NewSessions(deps.SessionSecret, deps.Keys, deps.Now, deps.OtherSessionSecrets...),
		door:     auth.NewDoor(deps.Keys, auth.NewAttempts()),
		pages:    parsePages(),
		static:   staticFiles(),
		streams:  newStreams(),
	}
	c.live = newFigures(c.measure, deps.Now)
	c.mux = c.newMux()
	return c
}

// Close ends the live streams, which would otherwise hold up the server's shutdown for as long as
// somebody looks at a sale. It may be called more than once.
func (c *Console) Close() { c.streams.close() }

// ServeHTTP answers one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setSecurityHeaders(w.Header())
	defer c.recoverPanic(w, r)
	if _, pattern := c.mux.Handler(r); pattern == "" {
		c.nowhere(w, r)
		return
	}
	c.mux.ServeHTTP(w, r)
}

func (c *Console) recoverPanic(w http.ResponseWriter, r *http.Request) {
	reason := recover()
	if reason == nil {
		return
	}
	if reason == http.ErrAbortHandler {
		panic(reason)
	}
	c.deps.Log.ErrorContext(r.Context(), "a request of the console panicked", "path", r.URL.Path, "panic", reason)
	if w.Header().Get("Content-Type") != "" { // the answer has begun: it can only be cut off
		panic(http.ErrAbortHandler)
	}
	c.refuse(w, r, problem.InternalError)
}

// setSecurityHeaders allows what the pages use and nothing else. The referrer stays within the
// console; with no referrer at all browsers would also hide the origin of a posted form.
func setSecurityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// streams counts the live streams and ends them all at once.
type streams struct {
	slots chan struct{}
	done  chan struct{}
	once  sync.Once
}

const maxStreams = 64

func newStreams() *streams {
	return &streams{slots: make(chan struct{}, maxStreams), done: make(chan struct{})}
}

func (s *streams) close() { s.once.Do(func() { close(s.done) }) }

// take returns false when all slots are taken or the console is closing.
func (s *streams) take() bool {
	select {
	case <-s.done:
		return false
	default:
	}
	select {
	case s.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *streams) give() { <-s.slots }
