package front

import (
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/penstock/penstock/internal/problem"
)

// A crowd asks for its places all the time. A plain poll that can be answered from memory is answered where it arrives:
// what fasthttp does around a handler costs half as much again. Every other request, every refusal, and every poll
// while the server stops, goes to fasthttp, which answers a plain poll with the same bytes.

// answerPoll answers the request whose headers have arrived, if it is a plain poll. The error ends the connection.
func (a *arrival) answerPoll(head *progress) (answered bool, err error) {
	if a.polls == nil || !head.done {
		return false, nil
	}
	end := a.from + head.end
	c := a.polls.answerPoll(a.buf[a.from:end])
	if c == nil {
		return false, nil
	}
	defer a.polls.calls.Put(c)
	if !a.beginAnswer() {
		return false, net.ErrClosed
	}
	_, err = a.Write(c.buf)
	a.keepRest(end, nil)
	if !a.endAnswer(err == nil && !a.polls.closing()) {
		return false, io.EOF
	}
	return true, nil
}

// answerPoll makes the whole response to a plain poll with a ticket that is believed; nil for any other request.
// Whoever gets a call puts it back.
func (s *Server) answerPoll(head []byte) (answered *call) {
	var p poll
	if !p.parse(head) || s.closing() {
		return nil
	}
	began := time.Now()
	now := s.loadOf(s.inFlight.Add(1))
	defer s.inFlight.Add(-1)
	defer func() {
		if recover() != nil {
			answered = nil // fasthttp's handler panics too, and reports it
		}
	}()
	entry, err := s.find(string(p.sale), problem.UnknownSale)
	if err != nil {
		return nil
	}
	c := s.calls.Get().(*call)
	if c.key, err = s.appendPoll(c.key[:0], entry, now, &p.tokens); err != nil {
		s.calls.Put(c)
		return nil
	}
	*c = call{route: &s.routes[routeTicket], target: target{sale: p.sale}, buf: c.buf, key: c.key, requestID: s.appendRequestID(c.requestID[:0])}
	c.buf = s.appendPollResponse(c.buf[:0], c.key, c.requestID, began)
	s.note(c, pollMethod, fasthttp.StatusOK, len(c.key), began)
	c.target = target{}
	return c
}

// appendPollResponse writes what fasthttp would, in its order.
func (s *Server) appendPollResponse(b, body, requestID []byte, now time.Time) []byte {
	b = append(b, "HTTP/1.1 200 OK\r\nDate: "...)
	b = append(s.date.append(b, now), crlf...)
	b = appendHeader(b, headerContentType, typeJSON)
	b = append(b, "Content-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(body)), 10), crlf...)
	b = appendHeader(b, headerRequestID, requestID)
	b = appendHeader(b, headerNoSniff, valueNoSniff)
	if len(s.AllowedOrigins) > 0 {
		b = appendHeader(b, headerVary, headerOrigin)
	}
	b = appendHeader(b, headerCacheControl, valueNoStore)
	b = append(b, crlf...)
	return append(b, body...)
}

func appendHeader(b, name, value []byte) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), crlf...)
}

// closing reports whether Shutdown has begun: answers close their connections then.
func (s *Server) closing() bool { return s.stopping.Err() != nil }

// dates writes the Date of responses, which changes once a second.
type dates struct{ last atomic.Pointer[date] }

type date struct {
	unixSeconds int64
	text        []byte
}

func (d *dates) append(b []byte, now time.Time) []byte {
	last := d.last.Load()
	if last == nil || last.unixSeconds != now.Unix() {
		last = &date{unixSeconds: now.Unix(), text: fasthttp.AppendHTTPDate(nil, now)}
		d.last.Store(last)
	}
	return append(b, last.text...)
}
