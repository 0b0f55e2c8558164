package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/penstock/penstock/internal/problem"
)

const (
	// smallBodyBytes is the length of a body up to which a request is sent only once all of it has arrived: a
	// slow visitor then holds no connection to the shop, and the request can be sent again.
	smallBodyBytes = 64 << 10
	// maxInterim bounds the interim answers (1xx) to a request.
	maxInterim = 16
)

// errStale is a kept connection that the server had closed before it read the request.
var errStale = errors.New("the server had closed the kept connection")

// forward passes the request on and the answer back. The error says what the visitor is to be told instead.
func (e *Exchange) forward() error {
	body, err := e.smallBody()
	if err != nil {
		return err
	}
	e.watched.body = body
	streams := e.head.bodyBytes != 0 && body == nil
	again := e.head.isIdempotent() && !streams && !e.head.upgrade
	a, err := e.site.upstream.connect(context.Background(), !again)
	if err != nil {
		e.noteNoConnection(err)
		return err
	}
	err = e.exchangeWith(&a, body, streams)
	if errors.Is(err, errStale) && again {
		e.proxy.metrics.retries.WithLabelValues(e.site.name).Inc()
		if a, err = a.server.attempt(context.Background(), true, true); err != nil {
			e.noteNoConnection(err)
			return errors.Join(errShopDown(), err)
		}
		err = e.exchangeWith(&a, body, streams)
	}
	if errors.Is(err, errStale) {
		e.noteFailure("closed", err)
		return errShopDown()
	}
	return err
}

// smallBody returns a body of known length that is small, once it has arrived; nil for every other.
func (e *Exchange) smallBody() ([]byte, error) {
	n := e.head.bodyBytes
	if n <= 0 || n > smallBodyBytes || e.head.expects {
		return nil, nil
	}
	if int64(len(e.arrived)) >= n {
		e.used = int(n)
		return e.arrived[:n], nil
	}
	body := make([]byte, n)
	e.used = copy(body, e.arrived)
	if err := e.conn.SetReadDeadline(time.Now().Add(visitorTimeout)); err != nil {
		return nil, errAbandoned
	}
	if _, err := io.ReadFull(e.conn, body[e.used:]); err != nil {
		return nil, errAbandoned
	}
	return body, nil
}

// exchangeWith sends the request on a connection, answers the visitor, and puts the connection away. It
// returns errStale when nothing was answered on a connection that had been kept.
func (e *Exchange) exchangeWith(a *attempt, body []byte, streams bool) error {
	buffer := e.proxy.buffers.get()
	defer e.proxy.buffers.put(buffer)
	to := newSink(a.link, buffer, a.server.limits.idle)
	e.watched.sent = true
	writeRequest(&to, &e.head, e.target, e.site.upstream.host, &e.from, &e.told, e.site.bypass.stripped)
	to.add(body)
	to.flush()
	if to.err != nil && a.reused {
		a.end(false, nil)
		return errStale
	}
	sent := time.Now()
	var up *upload
	if streams && to.err == nil {
		up = e.startUpload(a)
	} else if a.SetReadDeadline(sent.Add(a.server.limits.firstByte)) != nil {
		a.end(false, nil)
		return errStale
	}
	if err := e.awaitReply(a); err != nil {
		return e.noReply(a, up, err)
	}
	e.proxy.metrics.bySite[e.site].firstByte.Observe(time.Since(sent).Seconds())
	return e.answer(a, up)
}

// awaitReply reads the head of the final answer, and passes interim ones on.
func (e *Exchange) awaitReply(a *attempt) error {
	for range maxInterim {
		if err := readReply(a.r, &e.reply, e.head.method); err != nil {
			return err
		}
		switch {
		case e.reply.status == 101 && (!e.head.upgrade || !e.reply.websocket):
			return errReplyHead // nobody asked for another protocol
		case e.reply.status >= 200 || e.reply.status == 101:
			return nil
		case !e.head.http10:
			writeReply(&e.out, &e.head, &e.reply, noBody, true)
			e.out.flush()
		}
	}
	return errReplyHead
}

// noReply puts a connection away on which no answer came, and says what the visitor is told.
func (e *Exchange) noReply(a *attempt, up *upload, err error) error {
	if up != nil {
		_ = a.Close()
		if fault := up.abort(e, a); fault != nil && !errors.Is(fault, errUploadCut) {
			a.end(false, nil)
			return fault // the request itself broke off
		}
	}
	var network net.Error
	switch {
	case errors.Is(err, errReplyHead), errors.Is(err, errReplyHeadLarge):
		a.end(false, err)
		e.noteFailure("malformed", err)
		return problem.With(problem.BadGateway, "the shop's answer is not well-formed")
	case errors.As(err, &network) && network.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		a.end(false, err)
		e.noteFailure("timeout", err)
		return problem.Retry(problem.ShopUnreachable, "the shop did not answer in time", retryDownSeconds)
	case a.reused && a.r.Buffered() == 0:
		a.end(false, nil)
		return errStale
	default:
		a.end(false, err)
		e.noteFailure("closed", err)
		return errShopDown()
	}
}

// noteNoConnection counts why a request got no connection. That a server is left alone was logged when it failed.
func (e *Exchange) noteNoConnection(err error) {
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		e.proxy.metrics.failures.WithLabelValues(e.site.name, "left_alone").Inc()
	case errors.Is(err, problem.Overloaded):
		e.noteFailure("busy", err)
	default:
		e.noteFailure("connect", err)
	}
}

func (e *Exchange) noteFailure(reason string, err error) {
	e.proxy.metrics.failures.WithLabelValues(e.site.name, reason).Inc()
	e.proxy.warn("the shop did not answer a request well", err, slog.String("site", e.site.name), slog.String("reason", reason))
}

// answer passes the final answer on.
func (e *Exchange) answer(a *attempt, up *upload) error {
	e.obey()
	e.proxy.metrics.bySite[e.site].answered(e.reply.status)
	e.seesAnswer()
	if up == nil {
		e.tell(true)
	}
	if e.reply.status == 101 {
		return e.tunnel(a)
	}
	form := formFor(&e.head, &e.reply)
	if form == byClosing || e.proxy.stopping.Load() {
		e.keep = false
	}
	if up != nil && !up.whole.Load() {
		e.keep = false // the answer came before the request ended: what follows cannot be told apart
	}
	release := e.asStream(a)
	e.begun = true
	writeReply(&e.out, &e.head, &e.reply, form, e.keep)
	err := e.copyBody(a, form)
	e.out.flush()
	release()
	return e.finish(a, up, form, err)
}

// finish puts the connection to the shop away after an answer.
func (e *Exchange) finish(a *attempt, up *upload, form bodyForm, err error) error {
	whole := err == nil && e.out.err == nil
	if up != nil {
		fault := up.abort(e, a)
		whole = whole && fault == nil
		e.tell(fault == nil && up.whole.Load())
		if !up.whole.Load() {
			e.keep, e.linger = false, true
		}
	}
	switch {
	case err != nil && e.out.err == nil:
		a.end(false, err)
		e.noteFailure("broken", err)
		e.breakOff(form)
		return errAbandoned
	default:
		a.end(whole && !e.reply.close, nil)
		return nil
	}
}

// breakOff makes sure that the visitor does not take an answer that broke off for a whole one. Where only the
// end of the connection tells the end, the connection is reset, without the farewell of TLS.
func (e *Exchange) breakOff(form bodyForm) {
	if form != byClosing {
		return
	}
	socket := e.conn
	if secured, ok := socket.(*tls.Conn); ok {
		socket = secured.NetConn()
	}
	if tcp, ok := socket.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = socket.Close()
}

// copyBody passes the body of an answer on. What has come is sent before more is waited for.
func (e *Exchange) copyBody(a *attempt, form bodyForm) error {
	switch e.reply.bodyBytes {
	case 0:
		return nil
	case chunkedLength:
		return e.copyChunks(a, form)
	case untilClose:
		return e.copyUntilClose(a, form)
	}
	for left := e.reply.bodyBytes; left > 0; {
		piece, err := e.piece(a)
		if err != nil {
			return asTruncated(err)
		}
		piece = piece[:min(int64(len(piece)), left)]
		e.out.add(piece)
		left -= int64(len(piece))
		_, _ = a.r.Discard(len(piece)) // it is buffered
	}
	return nil
}

func (e *Exchange) copyChunks(a *attempt, form bodyForm) error {
	var c chunks
	for {
		piece, err := e.piece(a)
		if err != nil {
			return asTruncated(err)
		}
		payload, used, done, err := c.next(piece)
		if err != nil {
			return err
		}
		e.addPart(payload, form)
		_, _ = a.r.Discard(used)
		if done {
			e.endParts(form)
			return nil
		}
	}
}

func (e *Exchange) copyUntilClose(a *attempt, form bodyForm) error {
	for {
		piece, err := e.piece(a)
		if errors.Is(err, io.EOF) {
			e.endParts(form)
			return nil
		}
		if err != nil {
			return err
		}
		e.addPart(piece, form)
		_, _ = a.r.Discard(len(piece))
	}
}

func (e *Exchange) addPart(payload []byte, form bodyForm) {
	if form == byChunks {
		e.out.addChunk(payload)
		return
	}
	e.out.add(payload)
}

func (e *Exchange) endParts(form bodyForm) {
	if form == byChunks {
		e.out.add(lastChunk)
	}
}

// piece returns what has come of a body. Before it waits for more, what the visitor is to get is sent.
func (e *Exchange) piece(a *attempt) ([]byte, error) {
	if a.r.Buffered() == 0 {
		e.out.flush()
		if e.out.err != nil {
			return nil, e.out.err
		}
		if err := a.SetReadDeadline(time.Now().Add(a.server.limits.idle)); err != nil {
			return nil, err
		}
		if _, err := a.r.Peek(1); err != nil {
			return nil, err
		}
	}
	return a.r.Peek(a.r.Buffered())
}

func asTruncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
