// Package listener accepts connections so that no client can take them all, and no error of the
// operating system ends the process.
//
// It keeps at most a given number of connections open, in all and for one address. When there is
// no room, a new connection takes the place of one on which no request is under way: of one that
// never sent anything first, then of the one that has been silent for the longest time.
package listener

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/address"
)

const (
	// minBackoff and maxBackoff bound the pause after a failed accept.
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
	// logEvery bounds how often trouble of one kind is logged.
	logEvery = 10 * time.Second
	// roomShare is the part of the open connections that is closed at once to make room, so that
	// looking for them does not cost much for each new connection.
	roomShare = 16
)

// Options are the bounds of a listener.
type Options struct {
	// MaxConnections may be open at once; 0 means no limit.
	MaxConnections int
	// MaxPerAddress may be open at once from one address, for IPv6 from one /64 network; 0 means no
	// limit. Addresses in Exempt, such as those of a proxy in front, have no limit.
	MaxPerAddress int
	Exempt        []netip.Prefix
	Log           *slog.Logger
}

// Listener is a net.Listener with bounds.
type Listener struct {
	net.Listener
	options Options
	log     *slog.Logger
	started time.Time
	closed  chan struct{}
	closing sync.Once

	mu        sync.Mutex
	open      map[*Conn]struct{}
	byAddress map[netip.Prefix]int
	logged    map[string]time.Time
}

// New puts bounds on a listener.
func New(inner net.Listener, options Options) *Listener {
	l := &Listener{
		Listener: inner, options: options, log: options.Log, started: time.Now(), closed: make(chan struct{}),
		open: make(map[*Conn]struct{}), byAddress: make(map[netip.Prefix]int), logged: make(map[string]time.Time),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	return l
}

// Accept returns the next connection, a *Conn. The only error is that the listener was closed:
// all others, such as too many open files, pass, and are waited for.
func (l *Listener) Accept() (net.Conn, error) {
	backoff := minBackoff
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil:
			backoff = minBackoff
			if admitted := l.admit(conn); admitted != nil {
				return admitted, nil
			}
			_ = conn.Close()
		case errors.Is(err, net.ErrClosed):
			return nil, err
		default:
			l.makeRoom(netip.Prefix{}) // it may have been for want of descriptors
			l.warn("connections cannot be accepted; trying again", "error", err)
			if !l.pause(backoff) {
				return nil, net.ErrClosed
			}
			backoff = min(backoff*2, maxBackoff)
		}
	}
}

// Close stops accepting. The connections stay open.
func (l *Listener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// CloseServed closes the connections that have had a request and have none under way.
func (l *Listener) CloseServed() {
	candidates, _ := l.silent(netip.Prefix{})
	for _, one := range candidates {
		if one.served && one.conn.since.CompareAndSwap(one.since, closedForRoom) {
			_ = one.conn.Close()
		}
	}
}

// pause waits; false when the listener was closed meanwhile.
func (l *Listener) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.closed:
		return false
	}
}

// admit returns nil when there is no room for the connection.
func (l *Listener) admit(conn net.Conn) *Conn {
	site := l.limited(conn)
	if site.IsValid() && l.count(site) >= l.options.MaxPerAddress && !l.makeRoom(site) {
		l.warn("an address has too many connections; closing new ones", "address", site)
		return nil
	}
	if limit := l.options.MaxConnections; limit > 0 && l.count(netip.Prefix{}) >= limit {
		l.warn("all connections are taken; closing those on which no request is under way", "connections", limit)
		if !l.makeRoom(netip.Prefix{}) {
			return nil
		}
	}
	c := &Conn{Conn: conn, listener: l, address: site}
	c.since.Store(l.now())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = struct{}{}
	if site.IsValid() {
		l.byAddress[site]++
	}
	return c
}

// now is a moment in nanoseconds since the listener was made, and never 0.
func (l *Listener) now() int64 { return int64(time.Since(l.started)) + 1 }

func (l *Listener) count(site netip.Prefix) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if site.IsValid() {
		return l.byAddress[site]
	}
	return len(l.open)
}

// limited returns the site by which the connection counts; an invalid one when it counts by none.
func (l *Listener) limited(conn net.Conn) netip.Prefix {
	if l.options.MaxPerAddress <= 0 {
		return netip.Prefix{}
	}
	remote := address.Peer(conn.RemoteAddr())
	if address.In(l.options.Exempt, remote) {
		return netip.Prefix{}
	}
	return address.Site(remote)
}

// forget is called once for each connection, when it is closed.
func (l *Listener) forget(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	if !c.address.IsValid() {
		return
	}
	if l.byAddress[c.address]--; l.byAddress[c.address] <= 0 {
		delete(l.byAddress, c.address)
	}
}

// warn logs trouble of one kind, but not each of many.
func (l *Listener) warn(message, key string, value any) {
	l.mu.Lock()
	last, before := l.logged[message]
	allowed := !before || time.Since(last) >= logEvery
	if allowed {
		l.logged[message] = time.Now()
	}
	l.mu.Unlock()
	if allowed {
		l.log.Warn("trouble with connections", slog.String("what", message), slog.Any("listener", l.Addr()), slog.Any(key, value))
	}
}
