package front

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/health"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

// Deps is what the front stands on.
type Deps struct {
	Sales   *salecache.Cache
	Tickets *queue.TicketKeys
	Passes  *queue.PassKeys
	Desk    *checkout.Desk
	// LookupOrder asks the ledger for an order that Redis no longer knows; unknown_order when it
	// does not exist. Nil means that there is nobody to ask.
	LookupOrder func(ctx context.Context, id string) (checkout.Stored, error)
	// Board tells the degradation level; nil means normal.
	Board *degrade.Board
	// Keys recognises the API keys of shops; nil means that there are none.
	Keys *auth.Keys
	Log  *slog.Logger
	// Metrics is where the front's metrics are registered; nil means nowhere.
	Metrics prometheus.Registerer
	// Ready says whether this node should get traffic, and how its parts are doing; nil means that it
	// should.
	Ready func() health.Readiness
	// Demo serves a small shop for the sale DemoSale.
	Demo bool
	// MaxInFlight is how many requests may be worked on at a time before new reservations are
	// refused; 0 means DefaultMaxInFlight. See overload.go for what gives way before and after.
	MaxInFlight int
}

// DefaultMaxInFlight lets a node with a slow Redis (20 ms) still take 100,000 requests a second.
const DefaultMaxInFlight = 2048

const (
	// readBufferBytes bounds the request line and headers, cookies included.
	readBufferBytes = 8 << 10
	readTimeout     = 10 * time.Second
	writeTimeout    = 15 * time.Second
	idleTimeout     = 75 * time.Second
)

// Server is the front of one node.
type Server struct {
	Deps
	log      *slog.Logger
	http     *fasthttp.Server
	routes   [routeCount]route
	metrics  *metrics
	keys     *keys
	pages    *pages
	failures throttle

	inFlight  atomic.Int64
	calls     sync.Pool
	idPrefix  string
	idCounter atomic.Uint64
}

// New builds the front. It serves nothing until Serve. The error is about the metrics registry or
// the templates.
func New(deps Deps) (*Server, error) {
	if deps.MaxInFlight <= 0 {
		deps.MaxInFlight = DefaultMaxInFlight
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{Deps: deps, log: deps.Log, keys: newKeys(), idPrefix: newIDPrefix()}
	s.calls.New = func() any { return &call{buf: make([]byte, 0, 1024), key: make([]byte, 0, 256)} }
	var err error
	if s.pages, err = loadPages(); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(deps.Metrics, &s.inFlight); err != nil {
		return nil, fmt.Errorf("front: %w", err)
	}
	s.routes = s.table()
	s.http = s.newHTTP()
	return s, nil
}

func (s *Server) newHTTP() *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.transportError,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		MaxRequestBodySize:           MaxBodyBytes,
		ReadBufferSize:               readBufferBytes,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		TCPKeepalive:                 true,
		CloseOnShutdown:              true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		Logger:                       transportLog{s.log},
	}
}

// Serve answers the connections of ln until Shutdown; then it returns nil.
func (s *Server) Serve(ln net.Listener) error { return s.http.Serve(ln) }

// Shutdown closes the listeners, tells keep-alive connections to close, and waits until the
// requests under way are answered, or returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.ShutdownWithContext(ctx) }

// newIDPrefix tells this process's request ids from those of others; should the system have no
// randomness, crypto/rand ends the process.
func newIDPrefix() string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:]) + "-"
}

// transportLog passes what fasthttp has to say about broken connections on.
type transportLog struct{ log *slog.Logger }

// Printf implements fasthttp.Logger.
func (t transportLog) Printf(format string, args ...any) {
	if t.log.Enabled(context.Background(), slog.LevelDebug) {
		t.log.Debug("connection", "detail", fmt.Sprintf(format, args...))
	}
}
