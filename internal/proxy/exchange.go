package proxy

import (
	"fmt"
	"net"
	"runtime/debug"
	"time"
)

// visitorTimeout bounds each write to a visitor, and the time for a small body.
const visitorTimeout = 30 * time.Second

// Exchange is one request that is not Penstock's own, and what becomes of it.
type Exchange struct {
	proxy *Proxy
	head  head
	fault error // why the head is refused

	conn    net.Conn
	tls     bool
	arrived []byte // what has arrived after the head
	used    int    // bytes of arrived that belong to this request
	surplus []byte // bytes that were read beyond arrived and beyond this request

	site   *site
	from   origin
	told   told
	target []byte
	reply  reply
	out    sink
	keep   bool // the visitor's connection is good for another request
	linger bool // the visitor may still be sending
	begun  bool // the answer has begun to be sent

	watched mirroring
}

// Result tells how a connection stands after an exchange.
type Result struct {
	Used    int    // bytes of what had arrived after the head that belonged to the request
	Surplus []byte // what was read beyond that, the beginning of the next request
	Keep    bool   // the connection is good for another request
	Linger  bool   // before it is closed, the rest of what the visitor sends is to be read off
}

// Recognise reads the head of a request, blank line included. It returns nil when the request is one that
// Penstock serves itself. A head that is not well-formed is never Penstock's own. The exchange must be ended
// with Relay, which is given the same bytes.
func (p *Proxy) Recognise(text []byte) *Exchange {
	e := p.pool.Get().(*Exchange)
	*e = Exchange{proxy: p, head: head{fields: e.head.fields}, reply: reply{fields: e.reply.fields}}
	e.fault = e.head.parse(text)
	if e.fault == nil && isOwn(e.head.path) {
		p.pool.Put(e)
		return nil
	}
	return e
}

// Relay answers the request. Arrived is what has come after its head; more is read from conn, and never more
// than belongs to the request unless that cannot be known. The exchange must not be used afterwards.
func (e *Exchange) Relay(conn net.Conn, arrived []byte, overTLS bool) Result {
	p := e.proxy
	buffer := p.buffers.get()
	e.conn, e.arrived, e.tls, e.keep = conn, arrived, overTLS, !e.head.close
	e.out = newSink(conn, buffer, visitorTimeout)
	if err := e.serveSafely(); err != nil {
		e.refuse(err)
	}
	e.out.flush()
	if e.out.err != nil || p.stopping.Load() {
		e.keep = false
	}
	result := Result{Used: e.used, Surplus: e.surplus, Keep: e.keep, Linger: e.linger && e.out.err == nil}
	p.buffers.put(buffer)
	*e = Exchange{proxy: p, head: head{fields: e.head.fields}, reply: reply{fields: e.reply.fields}}
	p.pool.Put(e)
	return result
}

// serveSafely turns a panic into an error: it would end the process, and everybody else's requests with it.
func (e *Exchange) serveSafely() (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			e.keep = false
			err = fmt.Errorf("panic: %v\n%s", fault, debug.Stack())
		}
	}()
	return e.serve()
}

// serve decides about the request and passes it on. An error is refused with a document or a page.
func (e *Exchange) serve() error {
	if e.fault != nil {
		return e.fault
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.proxy.requests.Add(-1)
	if err := e.decide(time.Now()); err != nil {
		return err
	}
	if e.head.bodyBytes > e.site.maxBodyBytes {
		return tooLarge(e.site.maxBodyBytes)
	}
	e.target = e.head.target
	if e.site.bypass.linkSecret != nil {
		e.target = withoutLink(&e.head)
	}
	e.watch()
	err := e.forward()
	if err != nil && e.watched.sent {
		e.tell(false)
	}
	return err
}

// withoutLink is the target without the signature of a link: the shop has no use for it.
func withoutLink(h *head) []byte {
	query, again := h.query, true
	for again {
		var value []byte
		value, query = cutLink(query)
		again = value != nil
	}
	if len(query) == len(h.query) {
		return h.target
	}
	target := append([]byte(nil), h.path...)
	if len(query) > 0 {
		target = append(append(target, '?'), query...)
	}
	return target
}
