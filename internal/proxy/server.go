package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/penstock/penstock/internal/problem"
)

const (
	// tripAfter failures one after the other a server is taken for down, for breakerOpen.
	tripAfter   = 5
	breakerOpen = 5 * time.Second
	// probeIdleAfter is how long a kept connection may have been silent before it is looked at whether the
	// server has closed it.
	probeIdleAfter = time.Second
)

// server is one address of a shop, with the connections that are kept to it.
type server struct {
	label   string // as configured
	address string // host:port
	tls     *tls.Config
	limits  timeouts
	slots   chan struct{} // one for each connection that is open
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	sick    atomic.Bool // the last health check failed

	mu   sync.Mutex
	idle []*link // the one that was used last is at the end
}

// timeouts bound the ways of an exchange with the shop.
type timeouts struct {
	connect   time.Duration // to connect, TLS included, and to wait for a free connection
	firstByte time.Duration // from the end of a request to the first byte of its answer
	idle      time.Duration // between two pieces of a body
	keep      time.Duration // how long a connection without a request is kept
}

// link is a connection to a server of the shop.
type link struct {
	net.Conn
	r        *bufio.Reader
	socket   net.Conn // beneath TLS
	reused   bool
	lastUsed time.Time
}

func newServer(label, address string, tlsConfig *tls.Config, limits timeouts, maxConnections int) *server {
	s := &server{label: label, address: address, tls: tlsConfig, limits: limits, slots: make(chan struct{}, maxConnections)}
	s.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: label, MaxRequests: 1, Timeout: breakerOpen,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
	})
	return s
}

// isUp reports whether requests may be sent: what is known of the server does not speak against it.
func (s *server) isUp() bool { return !s.sick.Load() && s.breaker.State() != gobreaker.StateOpen }

// connect returns a connection, one that is kept or a new one. Sure asks for one that the server has not
// closed, as far as can be seen. Errors: overloaded when all are in use, or one of the network.
func (s *server) connect(ctx context.Context, fresh, sure bool) (*link, error) {
	if err := s.takeSlot(ctx); err != nil {
		return nil, err
	}
	for !fresh {
		kept := s.popIdle()
		if kept == nil {
			break
		}
		silent := time.Since(kept.lastUsed)
		if silent < s.limits.keep && (!sure && silent < probeIdleAfter || kept.isOpen()) {
			kept.reused = true
			return kept, nil
		}
		_ = kept.Close()
	}
	made, err := s.dial(ctx)
	if err != nil {
		<-s.slots
		return nil, err
	}
	return made, nil
}

// takeSlot waits for a place among the connections.
func (s *server) takeSlot(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(s.limits.connect)
	defer timer.Stop()
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return problem.Retry(problem.Overloaded, "all connections to the shop are in use; come back in a moment", retryBusySeconds)
	}
}

func (s *server) popIdle() *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.idle)
	if n == 0 {
		return nil
	}
	one := s.idle[n-1]
	s.idle[n-1] = nil
	s.idle = s.idle[:n-1]
	return one
}

func (s *server) dial(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limits.connect)
	defer cancel()
	socket, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	made := &link{Conn: socket, socket: socket}
	if s.tls != nil {
		secured := tls.Client(socket, s.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = socket.Close()
			return nil, err
		}
		made.Conn = secured
	}
	made.r = bufio.NewReaderSize(made.Conn, maxReplyHeadBytes)
	return made, nil
}

// giveBack keeps a connection for the next request, or closes it.
func (s *server) giveBack(l *link, reusable bool) {
	if reusable && l.r.Buffered() == 0 {
		l.lastUsed = time.Now()
		s.mu.Lock()
		s.idle = append(s.idle, l) // never more than there are slots
		s.mu.Unlock()
	} else {
		_ = l.Close()
	}
	<-s.slots
}

// reap closes kept connections that are too old.
func (s *server) reap(now time.Time) {
	s.mu.Lock()
	var old []*link
	for len(s.idle) > 0 && now.Sub(s.idle[0].lastUsed) >= s.limits.keep {
		old = append(old, s.idle[0])
		s.idle = s.idle[1:]
	}
	s.mu.Unlock()
	for _, l := range old {
		_ = l.Close()
	}
}

// isOpen reports whether the server has neither closed a silent connection nor sent anything on it.
func (l *link) isOpen() bool {
	socket, ok := l.socket.(syscall.Conn)
	if !ok || l.SetReadDeadline(time.Time{}) != nil { // that of the last exchange may be over
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, got := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		open = errors.Is(got, syscall.EAGAIN)
		return true
	})
	return err == nil && open
}
