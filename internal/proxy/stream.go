package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// asStream counts an answer that has no end of its own, a stream of events, among the streams. What it returns
// is called at its end. When there are too many, it is an answer like others.
func (e *Exchange) asStream(a *attempt) (release func()) {
	for _, f := range e.reply.fields {
		if f.is("Content-Type") && len(f.value) >= len(eventStream) && bytes.EqualFold(f.value[:len(eventStream)], eventStream) {
			conn := e.conn
			if !e.proxy.openStream(conn) {
				break
			}
			a.detach()
			return func() { e.proxy.closeStream(conn) }
		}
	}
	return func() {}
}

var eventStream = []byte("text/event-stream")

// tunnel lets a WebSocket pass until one side ends it, or both are silent for the idle timeout.
func (e *Exchange) tunnel(a *attempt) error {
	if !e.proxy.openStream(e.conn) {
		a.end(false, nil)
		return problem.Retry(problem.Overloaded, "too many WebSockets are open; come back in a moment", retryBusySeconds)
	}
	defer e.proxy.closeStream(e.conn)
	a.detach()
	defer a.end(false, nil)
	e.begun, e.keep = true, false
	writeReply(&e.out, &e.head, &e.reply, noBody, false)
	early, _ := a.r.Peek(a.r.Buffered())
	e.out.add(early)
	e.out.flush()
	t := &tunnel{proxy: e.proxy, idle: a.server.limits.idle}
	t.stir()
	_ = a.SetWriteDeadline(time.Now().Add(t.idle))
	if _, err := a.Write(e.arrived); err != nil || e.out.err != nil {
		return errAbandoned
	}
	e.used = len(e.arrived)
	back := make(chan struct{})
	go func() {
		defer close(back)
		t.pass(e.conn, a.Conn)
	}()
	t.pass(a.Conn, e.conn)
	<-back
	return nil
}

// tunnel is two connections whose bytes go from one to the other.
type tunnel struct {
	proxy *Proxy
	idle  time.Duration
	last  atomic.Int64 // when bytes last passed, in Unix ns
}

func (t *tunnel) stir() { t.last.Store(time.Now().UnixNano()) }

// pass copies one direction until it ends, and tells the other side of the end.
func (t *tunnel) pass(to, from net.Conn) {
	buffer := t.proxy.buffers.get()
	defer t.proxy.buffers.put(buffer)
	for {
		n, err := t.read(from, buffer[:])
		if n > 0 {
			t.stir()
			if to.SetWriteDeadline(time.Now().Add(t.idle)) != nil {
				break
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if errors.Is(err, io.EOF) {
			closeWriting(to)
			return
		}
		if err != nil {
			break
		}
	}
	_, _ = from.Close(), to.Close()
}

// read waits for bytes as long as the other direction is alive.
func (t *tunnel) read(from net.Conn, buffer []byte) (n int, err error) {
	for {
		end := time.Unix(0, t.last.Load()).Add(t.idle)
		if err := from.SetReadDeadline(end); err != nil {
			return 0, err
		}
		n, err = from.Read(buffer)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && time.Unix(0, t.last.Load()).Add(t.idle).After(end) {
			continue
		}
		return n, err
	}
}

// closeWriting ends one direction of a connection, or all of it where that cannot be done.
func closeWriting(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		return
	}
	_ = conn.Close()
}
