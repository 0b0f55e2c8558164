package listener

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
)

// The states of Conn.since besides a moment.
const (
	working       int64 = 0  // a request is under way
	closedForRoom int64 = -1 // closed to make room for others
)

// Conn is a connection that may be closed to make room, except while a request is under way. A new
// one has no request under way.
type Conn struct {
	net.Conn
	listener *Listener
	address  netip.Prefix // by which it counts; invalid when by none
	since    atomic.Int64 // the moment since which no request is under way, or one of the states
	served   atomic.Bool  // it has had a request
	closing  sync.Once
}

// Begin marks that a request is under way. It returns false when the connection has been closed to
// make room.
func (c *Conn) Begin() bool {
	for {
		since := c.since.Load()
		if since == closedForRoom {
			return false
		}
		if c.since.CompareAndSwap(since, working) {
			break
		}
	}
	if !c.served.Load() {
		c.served.Store(true)
	}
	return true
}

// End marks that no request is under way any more.
func (c *Conn) End() { c.since.CompareAndSwap(working, c.listener.now()) }

// Close closes the connection, once.
func (c *Conn) Close() (err error) {
	c.closing.Do(func() {
		c.listener.forget(c)
		err = c.Conn.Close()
	})
	return err
}

// Follow keeps the mark of a connection of net/http. Set it as http.Server.ConnState.
func Follow(conn net.Conn, state http.ConnState) {
	c, ours := conn.(*Conn)
	if !ours {
		return
	}
	switch state {
	case http.StateActive:
		c.Begin()
	case http.StateIdle:
		c.End()
	case http.StateNew, http.StateHijacked, http.StateClosed:
	}
}
