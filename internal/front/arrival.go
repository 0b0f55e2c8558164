package front

import (
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/penstock/penstock/internal/listener"
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
}

// Accept implements net.Listener.
func (a *arrivals) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newArrival(conn.(*listener.Conn), a.buffers), nil
}

// arrival is a connection whose first Read of each request returns only when the request has
// arrived, headers and body, or when it is clear that it is refused anyway. Until then it costs a
// goroutine and as much memory as has arrived: no buffer of fasthttp, and no place among the
// requests that are being worked on. A silent connection has no buffer at all.
//
// It decides nothing about the request. fasthttp reads the same bytes again and judges them.
type arrival struct {
	*listener.Conn
	buffers *buffers
	raw     syscall.RawConn
	between bool // the next Read begins a request

	buf        []byte // what has arrived; nil or buf[from:to] is not yet read by fasthttp
	from, to   int
	readable   func(fd uintptr) bool // readRaw, made once
	readResult error
}

// newArrival takes a connection of TCP, or of another kind that the system has.
func newArrival(conn *listener.Conn, pool *buffers) *arrival {
	raw, _ := conn.Conn.(syscall.Conn).SyscallConn() // it has no error for a connection that was accepted
	a := &arrival{Conn: conn, buffers: pool, raw: raw, between: true}
	a.readable = a.readRaw
	return a
}

// followArrival is fasthttp's ConnState: after an answer the next request begins, with what arrives
// or with what fasthttp has read already.
func followArrival(conn net.Conn, state fasthttp.ConnState) {
	a, ours := conn.(*arrival)
	switch {
	case !ours:
	case state == fasthttp.StateIdle:
		a.between = true
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
		return a.Conn.Read(p)
	}
	n := copy(p, a.buf[a.from:a.to])
	if a.from += n; a.from == a.to {
		a.release()
	}
	return n, nil
}

func (a *arrival) release() {
	if a.buf != nil {
		a.buffers.put(a.buf)
	}
	a.buf, a.from, a.to = nil, 0, 0
}

// awaitRequest returns when a request has arrived. The deadline for its first byte is set already.
func (a *arrival) awaitRequest() error {
	var head progress
	for {
		if a.from < a.to {
			head.look(a.buf[a.from:a.to])
			if head.done || a.to-a.from >= maxHeaderBytes {
				break
			}
			if err := a.deadline(&head, headTimeout); err != nil {
				return err
			}
		}
		if err := a.more(); err != nil {
			return err
		}
	}
	if err := a.awaitBody(&head); err != nil {
		return err
	}
	if !a.Begin() {
		return net.ErrClosed // it was closed to make room for others
	}
	return nil
}

// awaitBody returns when the body that the head announces has arrived.
func (a *arrival) awaitBody(head *progress) error {
	var body progress
	wanted := bodyOf(a.buf[a.from : a.from+head.end])
	if !head.done || !wanted.some() {
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

// room makes sure that the buffer takes more: it doubles when it is full.
func (a *arrival) room() {
	if a.buf == nil {
		a.buf = a.buffers.get()
	}
	if a.to < len(a.buf) {
		return
	}
	grown := make([]byte, 2*len(a.buf))
	copy(grown, a.buf[:a.to])
	a.buffers.put(a.buf)
	a.buf = grown
}
