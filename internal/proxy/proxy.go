package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// Verdict says whether a visitor may go on to what a sale protects.
type Verdict int

// The verdicts.
const (
	Unknown  Verdict = iota // it is not known at the moment
	Admitted                // the visitor may go on
	Refused                 // the visitor belongs in the waiting room
)

// Admission is what is known of a visitor and a sale.
type Admission struct {
	Verdict Verdict
	// Reason is the refusal when the verdict is not Admitted.
	Reason error
	// Ticket is the number of the pass, 0 where the sale needs none. ExpiresAt is its end.
	Ticket    uint64
	ExpiresAt time.Time
	// Pass is the pass itself, as the visitor presented it. It lies in the buffer of the request.
	Pass []byte
	// Shadow says what would have become of the visitor in a sale in shadow mode, where the verdict is always
	// Admitted; empty in others.
	Shadow string
}

// Visitor is what a request tells of whoever sent it. It must not be kept: it lies in the buffer of the request.
type Visitor struct {
	Passes  [][]byte // the headers Penstock-Pass
	Cookies []byte   // of all Cookie headers
	Device  []byte   // the header Penstock-Device
	Address netip.Addr
	Page    bool // a browser asks for a page to show
}

// Deps is what the proxy stands on.
type Deps struct {
	// Admit decides whether a visitor may go on to what a sale protects.
	Admit func(saleID string, v *Visitor) Admission
	// Room is the address of a sale's waiting room on any host that Penstock serves. It leads back to a page of
	// that host, a path with its query, unless that is empty.
	Room func(saleID, back string) string
	// RoomCookie is a Set-Cookie line that a visitor who is sent to the waiting room gets along; empty for none.
	RoomCookie func(cookies []byte) string
	// EndPass takes the visitor's pass of a sale away, if there is one that holds.
	EndPass func(ctx context.Context, saleID string, v *Visitor) error
	// Mirrors reports whether the calls of a sale are to be mirrored, and Mirror takes one. Mirror must not wait.
	// Nil means that nothing is mirrored.
	Mirrors func(saleID string) bool
	Mirror  func(m *Mirrored)
	// NewRequestID names a request that Penstock itself answers.
	NewRequestID func() string
	// TrustedProxies are those whose X-Forwarded headers are believed.
	TrustedProxies []netip.Prefix
	// MaxRequests may be under way to the shops at once; 0 means DefaultMaxRequests. MaxStreams, WebSockets
	// and event streams, may be open at once besides; 0 means DefaultMaxStreams.
	MaxRequests int
	MaxStreams  int
	Log         *slog.Logger
	Metrics     prometheus.Registerer // nil means nowhere
}

// The defaults of Deps.
const (
	DefaultMaxRequests = 4096
	DefaultMaxStreams  = 1024
)

const (
	// logLines is how many lines about failures are logged in a second; the metrics have them all.
	logLines = 10
	// reapEvery is how often kept connections that are too old are looked for.
	reapEvery = 5 * time.Second
	// endPassTimeout bounds a command of the shop. The visitor waits for it.
	endPassTimeout = 2 * time.Second
)

// Proxy relays requests to the shops of its sites.
type Proxy struct {
	deps    Deps
	sites   *Sites
	log     *slog.Logger
	lines   *rate.Limiter
	metrics *metrics
	buffers sinkBuffers
	pool    sync.Pool // *Exchange

	requests atomic.Int64
	stopping atomic.Bool
	life     context.Context // ends with Stop
	end      context.CancelFunc

	mu      sync.Mutex
	streams map[net.Conn]struct{} // the visitors' ends of WebSockets and event streams
}

// New makes the proxy of some sites. The error is about the registry of metrics.
func New(sites *Sites, deps Deps) (*Proxy, error) {
	if deps.MaxRequests <= 0 {
		deps.MaxRequests = DefaultMaxRequests
	}
	if deps.MaxStreams <= 0 {
		deps.MaxStreams = DefaultMaxStreams
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{deps: deps, sites: sites, log: deps.Log, lines: rate.NewLimiter(logLines, logLines), streams: make(map[net.Conn]struct{})}
	p.pool.New = func() any { return &Exchange{proxy: p} }
	p.life, p.end = context.WithCancel(context.Background())
	var err error
	p.metrics, err = newMetrics(deps.Metrics, p)
	return p, err
}

// Run checks the health of the shops and closes connections that are too old, until ctx or Stop ends it.
func (p *Proxy) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	var checks sync.WaitGroup
	defer checks.Wait()
	for _, one := range p.sites.all {
		for _, c := range one.checks {
			checks.Go(func() { c.run(ctx, p.noteHealth) })
		}
	}
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.closeKept()
			return
		case now := <-tick.C:
			p.eachServer(func(s *server) { s.reap(now) })
		}
	}
}

func (p *Proxy) noteHealth(s *server, well bool, err error) {
	if well {
		p.log.Info("a server of the shop is well again", "server", s.label)
		return
	}
	p.log.Warn("a server of the shop is not well", "server", s.label, "error", err)
}

func (p *Proxy) eachServer(do func(*server)) {
	for _, one := range p.sites.all {
		for _, s := range one.upstream.servers {
			do(s)
		}
	}
}

func (p *Proxy) closeKept() {
	p.eachServer(func(s *server) {
		for kept := s.popIdle(); kept != nil; kept = s.popIdle() {
			_ = kept.Close()
		}
	})
}

// Stop ends the streams, which do not end by themselves, and has each connection closed after the answer that
// is under way.
func (p *Proxy) Stop() {
	p.stopping.Store(true)
	p.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.streams {
		_ = conn.Close()
	}
}

// openStream takes a place among the streams; false when there is none, or the proxy stops.
func (p *Proxy) openStream(visitor net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.streams) >= p.deps.MaxStreams || p.stopping.Load() {
		return false
	}
	p.streams[visitor] = struct{}{}
	return true
}

func (p *Proxy) closeStream(visitor net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.streams, visitor)
}

func (p *Proxy) openStreams() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.streams)
}

// warn logs trouble, but not each of many lines. What says in a few words what went wrong.
func (p *Proxy) warn(what string, err error, attrs ...slog.Attr) {
	if !p.lines.Allow() || errors.Is(err, context.Canceled) {
		return
	}
	attrs = append(attrs, slog.String("what", what), slog.Any("error", err))
	p.log.LogAttrs(context.Background(), slog.LevelWarn, "trouble with a shop", attrs...)
}
