package proxy

import "time"

// mirroring is what is gathered of a call while it goes through.
type mirroring struct {
	mirror *mirror // nil when nobody looks at the call
	body   []byte  // what was seen of the body, in a buffer of the request or of its own
	over   bool    // the body is longer than is looked into
	status int     // of the answer; 0 as long as there is none
	ref    string  // of the header of the answer that the mirror names
	sent   bool    // it may have reached the shop
	told   bool
}

// watch begins to look at a call, if a mirror asks for it and its sale is in shadow mode.
func (e *Exchange) watch() {
	if e.proxy.deps.Mirror == nil {
		return
	}
	if m := e.site.mirrorOf(&e.head); m != nil && e.proxy.deps.Mirrors(m.sale) {
		e.watched.mirror = m
	}
}

// sees takes a part of a body that is passed on.
func (w *mirroring) sees(part []byte) {
	switch {
	case w.mirror == nil || w.over:
	case len(w.body)+len(part) > MaxMirrorBody:
		w.body, w.over = nil, true
	default:
		w.body = append(w.body, part...)
	}
}

// seesAnswer notes what the shop said. The headers of the answer are not kept longer than this.
func (e *Exchange) seesAnswer() {
	w := &e.watched
	if w.mirror == nil {
		return
	}
	w.status = e.reply.status
	if name := w.mirror.ref.replyHeader; name != "" {
		for _, f := range e.reply.fields {
			if f.is(name) {
				w.ref = string(f.value)
				break
			}
		}
	}
}

// tell hands the call on to whoever decides it. Whole says that all of its body was seen. The shop's own answer
// does not depend on it, whatever happens here.
func (e *Exchange) tell(whole bool) {
	w := &e.watched
	if w.mirror == nil || w.told {
		return
	}
	w.told = true
	m := Mirrored{Site: e.site.name, Sale: w.mirror.sale, Cancels: w.mirror.cancels, At: time.Now()}
	defer func() {
		if recover() != nil {
			m.Unseen = UnseenUnreadable
		}
		e.proxy.deps.Mirror(&m)
	}()
	switch accepted, known := w.mirror.decided(w.status); {
	case w.status == 0:
		m.Unseen = UnseenNoAnswer
	case !known:
		m.Unseen = UnseenUnclear
	case !whole || w.over:
		m.Unseen = UnseenBody
	default:
		m.Accepted = accepted
		e.read(&m)
	}
}

// read finds in the call what the mirror asks for.
func (e *Exchange) read(m *Mirrored) {
	w := &e.watched
	r := mirrorReader{head: &e.head, body: w.body, reply: func(string) string { return w.ref }}
	ok := true
	if !m.Cancels {
		m.Lines, ok = r.lines(w.mirror)
	}
	if ok && w.mirror.customer.given() {
		m.Customer, ok = r.text(&w.mirror.customer, nil)
	}
	if w.mirror.ref.given() {
		reference, found := r.text(&w.mirror.ref, nil)
		m.Reference = reference
		m.OfShop = found && w.mirror.ref.replyHeader != "" && w.ref != ""
		ok = ok && (found || !m.Cancels)
	}
	if !ok {
		m.Unseen = UnseenUnreadable
	}
}
