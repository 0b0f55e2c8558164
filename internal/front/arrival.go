package front

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/penstock/penstock/internal/listener"
	"github.com/penstock/penstock/internal/proxy"
)

const (
	// maxHeaderBytes bounds the request line and headers, cookies included. Proxies in front allow
	// between 8 and 32 KiB.
	maxHeaderBytes = 32 << 10
	// firstBufferBytes holds nearly every request.
	firstBufferBytes = 4 << 10
	// headTimeout is the time from the first byte of a request to the end of its headers, bodyTimeout
	// from there to the end of its body.
	headTimeout = 5 * time.Second
	bodyTimeout = 5 * time.Second
)

// buffers are of firstBufferBytes each.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() []byte {
	if one, ok := b.pool.Get().(*[firstBufferBytes]byte); ok {
		return one[:]
	}
	return make([]byte, firstBufferBytes)
}

// put takes back a buffer of its own size; one that has grown is left to the collector.
func (b *buffers) put(one []byte) {
	if len(one) == firstBufferBytes {
		b.pool.Put((*[firstBufferBytes]byte)(one))
	}
}

// arrivals hands fasthttp connections that keep a request to themselves until it has arrived whole.
type arrivals struct {
	*listener.Listener
	buffers *buffers
	shop    *proxy.Proxy // nil without a shop behind Penstock
	polls   *Server      // answers plain polls
	secure  *tls.Config  // nil without TLS
}

// Accept implements net.Listener.
func (a *arrivals) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	arrived := newArrival(conn.(*listener.Conn), a.buffers, a.shop)
	arrived.polls = a.polls
	if a.secure == nil {
		return arrived, nil
	}
	return arrived.encrypt(a.secure), nil
}

// arrival is a connection whose first Read of each request returns only when the request has
// arrived, headers and body, or when it is clear that it is refused anyway. Until then it costs a
// goroutine and as much memory as has arrived: no buffer of fasthttp, and no place among the
// requests that are being worked on. A silent connection has no buffer at all.
//
// It decides nothing about the request. fasthttp reads the same bytes again and judges them.
type arrival struct {
	*listener.Conn
	buffers   *buffers
	stream    net.Conn        // what is read and written: the connection, or TLS on it
	raw       syscall.RawConn // nil with TLS
	between   bool            // the next Read begins a request
	inside    bool            // more of this request was read than had arrived when it was taken up
	began     bool            // a request has begun before
	deadlines deadlines
	shop      *proxy.Proxy
	polls     *Server // answers plain polls; nil answers none
	relay     relayState

	buf        []byte // what has arrived; nil or buf[from:to] is not yet read by fasthttp
	from, to   int
	until      int                   // where the request ends in buf; with a shop, fasthttp gets no more of it
	readable   func(fd uintptr) bool // readRaw, made once
	readResult error
}

// newArrival takes a connection of TCP, or of another kind that the system has.
func newArrival(conn *listener.Conn, pool *buffers, shop *proxy.Proxy) *arrival {
	raw, _ := conn.Conn.(syscall.Conn).SyscallConn() // it has no error for a connection that was accepted
	a := &arrival{Conn: conn, buffers: pool, stream: conn.Conn, raw: raw, between: true, shop: shop}
	a.readable = a.readRaw
	return a
}

// followArrival is fasthttp's ConnState: after an answer the next request begins, with what arrives
// or with what fasthttp has read already.
func followArrival(conn net.Conn, state fasthttp.ConnState) {
	a := arrivalOf(conn)
	switch {
	case a == nil:
	case state == fasthttp.StateIdle:
		a.between, a.inside = true, false
		a.End()
	case state == fasthttp.StateActive && a.between:
		a.between = false
		a.Begin()
	}
}

// Read implements net.Conn.
func (a *arrival) Read(p []byte) (int, error) {
	if a.between {
		if err := a.awaitRequest(); err != nil {
			a.release()
			return 0, err
		}
		a.between = false
	}
	if a.from == a.to {
		return a.readInside(p)
	}
	n := copy(p, a.buf[a.from:max(a.from, a.until)])
	if n == 0 {
		n = copy(p, a.buf[a.from:a.to]) // it is part of a body whose end was not known
	}
	if a.from += n; a.from == a.to {
		a.release()
	}
	return n, nil
}

// readInside reads what belongs to a request and had not arrived when it was taken up: a body that the client sends
// only when it is asked for it, or the rest of a request of which the beginning came together with an earlier one.
func (a *arrival) readInside(p []byte) (int, error) {
	if !a.inside {
		a.inside = true
		if err := a.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
			return 0, err
		}
	}
	return a.stream.Read(p)
}

func (a *arrival) release() {
	if a.buf != nil {
		a.buffers.put(a.buf)
	}
	a.buf, a.from, a.to = nil, 0, 0
}

// awaitRequest returns when a request for fasthttp has arrived. Those for the shop are relayed before, and plain polls
// are answered.
func (a *arrival) awaitRequest() error {
	for {
		if err := a.awaitFirstByteWithin(); err != nil {
			return err
		}
		var head progress
		if err := a.awaitHead(&head); err != nil {
			return err
		}
		relayed, err := a.relayToShop(&head)
		if err != nil {
			return err
		}
		if relayed {
			continue
		}
		answered, err := a.answerPoll(&head)
		if err != nil {
			return err
		}
		if answered {
			continue
		}
		var wanted announced
		if head.done {
			wanted = bodyOf(a.buf[a.from : a.from+head.end])
		}
		if err := a.awaitBody(&head, wanted); err != nil {
			return err
		}
		a.until = a.to
		if a.shop != nil && !wanted.chunked {
			a.until = min(a.from+head.end+wanted.bytes, a.to) // what follows may be for the shop
		}
		if !a.Begin() {
			return net.ErrClosed // it was closed to make room for others
		}
		return nil
	}
}

// awaitFirstByteWithin sets the time for the first byte of the next request.
func (a *arrival) awaitFirstByteWithin() error {
	limit := firstTimeout
	if a.began {
		limit = idleTimeout
	}
	a.began = true
	return a.readWithin(limit)
}

// awaitHead returns when the headers have arrived, or too much for headers.
func (a *arrival) awaitHead(head *progress) error {
	for {
		if a.from < a.to {
			head.look(a.buf[a.from:a.to])
			if head.done || a.to-a.from >= maxHeaderBytes {
				return nil
			}
			if err := a.deadline(head, headTimeout); err != nil {
				return err
			}
		}
		if err := a.more(); err != nil {
			return err
		}
	}
}

// awaitBody returns when the body that the head announces has arrived.
func (a *arrival) awaitBody(head *progress, wanted announced) error {
	var body progress
	if !wanted.some() {
		return nil
	}
	for !wanted.arrived(a.buf[a.from+head.end : a.to]) {
		if err := a.deadline(&body, bodyTimeout); err != nil {
			return err
		}
		if err := a.more(); err != nil {
			return err
		}
	}
	return nil
}

// deadline starts the time for the rest of a part when it did not come at once.
func (a *arrival) deadline(p *progress, limit time.Duration) error {
	if p.timed {
		return nil
	}
	p.timed = true
	return a.SetReadDeadline(time.Now().Add(limit))
}

// more reads what has arrived. The buffer is taken only when there is something to put into it.
func (a *arrival) more() error {
	if a.raw == nil {
		return a.moreDecrypted()
	}
	if err := a.raw.Read(a.readable); err != nil {
		return err
	}
	return a.readResult
}

// readRaw reads when the connection is readable; false makes the runtime wait until it is.
func (a *arrival) readRaw(fd uintptr) bool {
	fresh := a.buf == nil
	a.room()
	for {
		n, err := syscall.Read(int(fd), a.buf[a.to:])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			if fresh {
				a.release()
			}
			return false
		case err != nil:
			a.readResult = err
		case n == 0:
			a.readResult = io.EOF
		default:
			a.to += n
			a.readResult = nil
		}
		return true
	}
}

// room makes sure that the buffer takes more: what was answered makes way, and it doubles when it is full.
func (a *arrival) room() {
	if a.buf == nil {
		a.buf = a.buffers.get()
	}
	if a.from > 0 {
		a.to = copy(a.buf, a.buf[a.from:a.to])
		a.from = 0
	}
	if a.to < len(a.buf) {
		return
	}
	grown := make([]byte, 2*len(a.buf))
	copy(grown, a.buf[:a.to])
	a.buffers.put(a.buf)
	a.buf = grown
}
