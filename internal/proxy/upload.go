package proxy

import (
	"errors"
	"io"
	"sync/atomic"
	"time"
)

// upload passes the body of a request on while the answer is already waited for. It is the only one that reads
// from the visitor until it is done.
type upload struct {
	done     chan struct{}
	whole    atomic.Bool // all of the body was read: what the visitor sends next is another request
	aborting atomic.Bool // it is made to end
	fault    error       // why the body broke off; set before done is closed
}

// errUploadCut ends an upload that nobody waits for any more: the answer came first, or the shop stopped reading.
var errUploadCut = errors.New("the request was not sent to its end")

func (e *Exchange) startUpload(a *attempt) *upload {
	up := &upload{done: make(chan struct{})}
	_ = a.SetReadDeadline(time.Time{}) // the time for the answer begins when the request has been sent
	go func() {
		defer close(up.done)
		up.fault = e.copyRequestBody(a, up)
		if errors.Is(up.fault, errAbandoned) && up.aborting.Load() {
			up.fault = errUploadCut
		}
		if up.fault != nil && !errors.Is(up.fault, errUploadCut) {
			_ = a.Close() // the shop must not take it for a whole request, and nobody waits for an answer to it
			return
		}
		_ = a.SetReadDeadline(time.Now().Add(a.server.limits.firstByte))
	}()
	return up
}

// abort ends an upload, if it is still under way, and returns why it did not send the whole body.
func (u *upload) abort(e *Exchange, a *attempt) error {
	u.aborting.Store(true)
	_ = a.SetWriteDeadline(time.Unix(1, 0)) // the shop has answered and need not read on
	if !u.whole.Load() {
		_ = e.conn.SetReadDeadline(time.Unix(1, 0)) // wakes it
	}
	<-u.done
	return u.fault
}

// copyRequestBody sends the body to the shop as it comes. Errors: body_too_large, bad_request, errAbandoned
// when the visitor does not go on, errUploadCut when the shop does not read on.
func (e *Exchange) copyRequestBody(a *attempt, up *upload) error {
	buffer := e.proxy.buffers.get()
	defer e.proxy.buffers.put(buffer)
	to := newSink(a.link, buffer, a.server.limits.idle)
	in := e.proxy.buffers.get()
	defer e.proxy.buffers.put(in)
	source := visitorBody{e: e, up: up, buffer: in[:], idle: a.server.limits.idle}
	if e.head.bodyBytes == chunkedLength {
		return source.copyChunks(&to)
	}
	return source.copyLength(&to)
}

// visitorBody reads the body of a request: first what has arrived with the head, then from the connection.
type visitorBody struct {
	e      *Exchange
	up     *upload
	buffer []byte
	idle   time.Duration
}

// next returns more of the stream, at most limit bytes of it when it must be read.
func (v *visitorBody) next(limit int64) (piece []byte, fromConn bool, err error) {
	if rest := v.e.arrived[v.e.used:]; len(rest) > 0 {
		return rest[:min(int64(len(rest)), limit)], false, nil
	}
	if err := v.e.conn.SetReadDeadline(time.Now().Add(v.idle)); err != nil {
		return nil, true, errAbandoned
	}
	n, err := v.e.conn.Read(v.buffer[:min(int64(len(v.buffer)), limit)])
	if n > 0 {
		return v.buffer[:n], true, nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return nil, true, errors.Join(errAbandoned, err)
}

func (v *visitorBody) copyLength(to *sink) error {
	for left := v.e.head.bodyBytes; left > 0; {
		piece, fromConn, err := v.next(left)
		if err != nil {
			return err
		}
		left -= int64(len(piece))
		v.up.whole.Store(left == 0)
		if !fromConn {
			v.e.used += len(piece)
		}
		v.e.watched.sees(piece)
		to.add(piece)
		to.flush()
		if to.err != nil {
			return errUploadCut
		}
	}
	return nil
}

func (v *visitorBody) copyChunks(to *sink) error {
	var c chunks
	total := int64(0)
	for {
		piece, fromConn, err := v.next(int64(sinkBytes))
		if err != nil {
			return err
		}
		rest, done, err := v.addChunks(to, &c, piece, &total)
		if err != nil {
			return err
		}
		if !fromConn {
			v.e.used += len(piece) - len(rest)
		}
		if done {
			v.up.whole.Store(true)
			if fromConn {
				v.e.surplus = append([]byte(nil), rest...)
			}
			to.add(lastChunk)
		}
		to.flush()
		if to.err != nil {
			return errUploadCut
		}
		if done {
			return nil
		}
	}
}

// addChunks sends the payload of a piece of the body, as chunks of its own. Rest is what follows the body.
func (v *visitorBody) addChunks(to *sink, c *chunks, piece []byte, total *int64) (rest []byte, done bool, err error) {
	for len(piece) > 0 && !done {
		var payload []byte
		var used int
		if payload, used, done, err = c.next(piece); err != nil {
			return nil, false, malformed(err.Error())
		}
		if *total += int64(len(payload)); *total > v.e.site.maxBodyBytes {
			return nil, false, tooLarge(v.e.site.maxBodyBytes)
		}
		v.e.watched.sees(payload)
		to.addChunk(payload)
		piece = piece[used:]
	}
	return piece, done, nil
}
