package front

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/health"
	"github.com/penstock/penstock/internal/identity"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/listener"
	"github.com/penstock/penstock/internal/notify"
	"github.com/penstock/penstock/internal/proof"
	"github.com/penstock/penstock/internal/proxy"
	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/shadow"
	"github.com/penstock/penstock/internal/words"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
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
	// NewOrders reads the orders of a sale that are in the ledger, from after a cursor; see
	// ledger.Ledger.NewOrders. Nil means that there is no ledger to read from.
	NewOrders func(ctx context.Context, saleID, after string, limit int) (orders []checkout.Stored, next string, err error)
	// Shadow decides what a shop decides in sales in shadow mode; nil means that there is no ledger to write to.
	Shadow *shadow.Shadow
	// Draft reads a sale that is not published yet from the ledger, to preview its page; unknown_sale when there is none.
	// Nil means that there is no ledger to ask.
	Draft func(ctx context.Context, saleID string) (sale.Record, error)
	// Notify takes the wishes of visitors to be told of their turn; nil means that there is no ledger to keep them.
	Notify *notify.Desk
	// Report reads the report on an ended sale; see ledger.Ledger.Fairness. Nil means that there is no ledger to read from.
	Report func(ctx context.Context, saleID string) (ledger.FairnessReport, bool, error)
	// Board tells the degradation level; nil means normal.
	Board *degrade.Board
	// Holders make the tokens that prove who made a reservation in an open sale.
	Holders *reservation.HolderKeys
	// RoomLinks read previews of the waiting room, and make and read the links that take a place to another device.
	RoomLinks *roomlink.Keys
	// JoinTokens verifies the tokens that shops sign for their customers; nil knows no shared key.
	JoinTokens *identity.Verifier
	// PlaceKeys make the keys under which places are kept.
	PlaceKeys *queue.PlaceKeys
	// Invites takes invites; nil means that there is no ledger to ask.
	Invites *identity.Invites
	// Newcomers counts those who join, and those who are turned away; nil counts nobody.
	Newcomers *bots.Tally
	// Datacentres knows the networks of data centres; nil knows none.
	Datacentres *bots.NetworkFile
	// Proofs makes and verifies proofs of work; nil means that a sale that asks for them lets nobody in here.
	Proofs *proof.Keys
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
	// MaxConnections may be open at a time; 0 means listener.MaxFront. MaxConnectionsPerAddress
	// may be open from one address that is not in TrustedProxies; 0 means no limit.
	MaxConnections           int
	MaxConnectionsPerAddress int
	// TrustedProxies are the addresses of proxies, whose X-Forwarded headers are believed.
	TrustedProxies []netip.Prefix
	// PublicURL is where visitors reach the front, as scheme and host without a slash at the end; empty
	// when it is not known.
	PublicURL string
	// ReturnHosts are hosts, with a port where there is one, to which the room page may send people back.
	ReturnHosts []string
	// AllowedOrigins are the origins, such as https://www.shop.example, whose pages may call the front.
	AllowedOrigins []string
	// TLS encrypts the connections; nil means that something in front does.
	TLS *tls.Config
	// Sites are the shops that Penstock stands in front of; nil means none. MaxShopRequests and
	// MaxShopStreams bound what is under way to them; 0 means the defaults of package proxy.
	Sites           *proxy.Sites
	MaxShopRequests int
	MaxShopStreams  int
}

// spareWorkers serve connections while those that were closed for them are still being put away.
const spareWorkers = 64

// DefaultMaxInFlight lets a node with a slow Redis (20 ms) still take 100,000 requests a second.
const DefaultMaxInFlight = 2048

const (
	// firstTimeout is the time for the first byte on a new connection, idleTimeout that for the first byte of each
	// further request, and writeTimeout that for an answer to be taken. Arrivals see to them, not fasthttp.
	firstTimeout = 10 * time.Second
	idleTimeout  = 75 * time.Second
	writeTimeout = 15 * time.Second
)

// Server is the front of one node.
type Server struct {
	Deps
	log     *slog.Logger
	http    *fasthttp.Server
	routes  [routeCount]route
	metrics *metrics
	keys    *keys
	door    *auth.Door // nil when there are no API keys
	slots   *slots
	pages   *pages
	words   *words.Book

	documents documents
	date      dates
	lookups   *lookups     // nil when there is nobody to ask
	drafts    *drafts      // nil when there is nobody to ask
	proxy     *proxy.Proxy // nil without sites
	ownHost   string       // of PublicURL, as hostOf gives it; may be empty
	failures  throttle
	sights    *sights

	inviteGuesses *auth.Attempts
	limits        *bots.Limits
	proofs        proofs

	orderReaders *orderReaders
	reports      *reports

	inFlight  atomic.Int64
	calls     sync.Pool
	idPrefix  string
	idCounter atomic.Uint64

	stopping     context.Context // ends when Shutdown begins
	markStopping context.CancelFunc
	down         context.Context // ends with Shutdown
	markDown     context.CancelFunc
}

// New builds the front. It serves nothing until Serve. The error is about the metrics registry or
// the templates.
func New(deps Deps) (*Server, error) {
	if deps.MaxInFlight <= 0 {
		deps.MaxInFlight = DefaultMaxInFlight
	}
	if deps.MaxConnections <= 0 {
		deps.MaxConnections = listener.MaxFront
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		Deps: deps, log: deps.Log, keys: newKeys(), sights: newSights(), orderReaders: newOrderReaders(), reports: newReports(),
		ownHost: hostOf(deps.PublicURL), idPrefix: newIDPrefix(), drafts: newDrafts(deps.Draft),
	}
	if s.JoinTokens == nil {
		s.JoinTokens = identity.NewVerifier(nil, identity.FetchOptions{Log: s.log})
	}
	s.inviteGuesses = auth.NewAttemptsByAddress()
	s.limits = bots.NewLimits(bots.DefaultBuckets)
	s.proofs = proofs{keys: deps.Proofs, watch: proof.NewWatch(), used: proof.NewUsed()}
	if deps.Keys != nil {
		s.door = auth.NewDoor(deps.Keys, auth.NewAttemptsByAddress())
	}
	if deps.LookupOrder != nil {
		s.lookups = newLookups(deps.LookupOrder)
	}
	s.stopping, s.markStopping = context.WithCancel(context.Background())
	s.down, s.markDown = context.WithCancel(context.Background())
	s.calls.New = func() any { return &call{buf: make([]byte, 0, 1024), key: make([]byte, 0, 256)} }
	var err error
	if s.pages, err = loadPages(); err != nil {
		return nil, err
	}
	if s.words, err = words.Open(); err != nil {
		return nil, fmt.Errorf("front: %w", err)
	}
	if s.metrics, err = newMetrics(deps.Metrics, &s.inFlight); err != nil {
		return nil, fmt.Errorf("front: %w", err)
	}
	s.slots = newSlots(s.log, s.metrics.slotFailures)
	if err := s.newProxy(); err != nil {
		return nil, fmt.Errorf("front: %w", err)
	}
	s.routes = s.table()
	s.http = s.newHTTP()
	return s, nil
}

// newProxy builds the proxy to the shops, when there are sites.
func (s *Server) newProxy() (err error) {
	if s.Sites == nil {
		return nil
	}
	s.proxy, err = proxy.New(s.Sites, proxy.Deps{
		Admit: s.admitToShop, Room: s.roomFromShop, RoomCookie: checkCookieLine, EndPass: s.endPassForShop, Mirrors: s.mirrors, Mirror: s.mirror, NewRequestID: s.newRequestID, TrustedProxies: s.TrustedProxies,
		MaxRequests: s.MaxShopRequests, MaxStreams: s.MaxShopStreams, Log: s.log, Metrics: s.Metrics,
	})
	return err
}

func (s *Server) newHTTP() *fasthttp.Server {
	return &fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.transportError,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		MaxRequestBodySize:           MaxBodyBytes,
		ReadBufferSize:               maxHeaderBytes,
		ReduceMemoryUsage:            true, // a connection without a request has no buffers
		ConnState:                    followArrival,
		Concurrency:                  s.MaxConnections + s.MaxConnections/8 + spareWorkers,
		CloseOnShutdown:              true,
		DisablePreParseMultipartForm: true,
		SecureErrorLogMessage:        true,
		Logger:                       transportLog{s.log},
	}
}

// Serve answers the connections of ln until Shutdown; then it returns nil. Errors of the system when
// connections are accepted are survived.
func (s *Server) Serve(ln net.Listener) error {
	bounded := listener.New(ln, listener.Options{
		MaxConnections: s.MaxConnections, MaxPerAddress: s.MaxConnectionsPerAddress, Exempt: s.TrustedProxies, Log: s.log,
	})
	// fasthttp does not remember a shutdown that came before it had the listener.
	defer context.AfterFunc(s.down, func() { _ = bounded.Close() })()
	if s.proxy != nil {
		var running sync.WaitGroup
		defer running.Wait()
		defer s.proxy.Stop()
		running.Go(func() { s.proxy.Run(s.down) })
	}
	// fasthttp does not know of what it has not answered itself, and would wait for a request.
	defer context.AfterFunc(s.stopping, bounded.CloseServed)()
	return s.http.Serve(&arrivals{Listener: bounded, buffers: &buffers{}, shop: s.proxy, polls: s, secure: s.TLS})
}

// Shutdown closes the listeners, tells keep-alive connections to close, and waits until the
// requests under way are answered, or returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.markStopping()
	defer s.markDown()
	defer s.slots.close(ctx)
	if s.proxy != nil {
		s.proxy.Stop()
	}
	return s.http.ShutdownWithContext(ctx)
}

func (s *Server) newRequestID() string { return string(s.appendRequestID(nil)) }

func (s *Server) appendRequestID(b []byte) []byte {
	return strconv.AppendUint(append(b, s.idPrefix...), s.idCounter.Add(1), 36)
}

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
