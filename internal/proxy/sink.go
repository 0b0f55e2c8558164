package proxy

import (
	"net"
	"sync"
	"time"
)

// sinkBytes is the size of the buffer in front of a connection that is written to.
const sinkBytes = 16 << 10

// sinkBuffers are shared by all connections: one that waits has none.
type sinkBuffers struct{ pool sync.Pool }

func (b *sinkBuffers) get() *[sinkBytes]byte {
	if one, ok := b.pool.Get().(*[sinkBytes]byte); ok {
		return one
	}
	return new([sinkBytes]byte)
}

func (b *sinkBuffers) put(one *[sinkBytes]byte) { b.pool.Put(one) }

// sink gathers what goes to a connection. The first error stays: what is written after it goes nowhere.
type sink struct {
	conn    net.Conn
	timeout time.Duration // for each write
	buf     []byte        // its capacity is the size of the buffer
	err     error
}

func newSink(conn net.Conn, buffer *[sinkBytes]byte, timeout time.Duration) sink {
	return sink{conn: conn, timeout: timeout, buf: buffer[:0]}
}

// add takes more text. What does not fit the buffer is sent.
func (s *sink) add(text []byte) {
	if len(text) > cap(s.buf)-len(s.buf) {
		s.flush()
		if len(text) > cap(s.buf) {
			s.send(text)
			return
		}
	}
	s.buf = append(s.buf, text...)
}

func (s *sink) addText(text string) {
	if len(text) > cap(s.buf)-len(s.buf) {
		s.flush()
	}
	if len(text) > cap(s.buf) {
		s.send([]byte(text))
		return
	}
	s.buf = append(s.buf, text...)
}

// addChunk takes a part of a body as a chunk. An empty part is none.
func (s *sink) addChunk(payload []byte) {
	if len(payload) == 0 {
		return
	}
	var size [20]byte
	s.add(appendChunkSize(size[:0], len(payload)))
	s.add(payload)
	s.addText("\r\n")
}

// flush sends what was gathered.
func (s *sink) flush() {
	if len(s.buf) == 0 {
		return
	}
	s.send(s.buf)
	s.buf = s.buf[:0]
}

func (s *sink) send(text []byte) {
	if s.err != nil {
		return
	}
	if s.err = s.conn.SetWriteDeadline(time.Now().Add(s.timeout)); s.err != nil {
		return
	}
	_, s.err = s.conn.Write(text)
}
