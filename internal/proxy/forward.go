package proxy

import (
	"bytes"
	"strconv"
	"time"
)

// via names Penstock to the next in the chain.
const via = "1.1 penstock"

// told is what the shop is told about the visitor. Its zero value tells nothing.
type told struct {
	sale      string
	ticket    uint64 // 0 when there is no pass
	expiresAt time.Time
	pass      []byte // the pass itself, where the rule says that the shop gets it
	shadow    string // what would have become of the visitor; "" outside shadow mode
}

// writeRequest writes the head that the shop gets: the visitor's without what belongs to the connection and
// to Penstock, and with what Penstock knows.
func writeRequest(s *sink, h *head, target []byte, host string, from *origin, about *told, secrets []string) {
	s.add(h.method)
	s.addText(" ")
	s.add(target)
	s.addText(" HTTP/1.1\r\nHost: ")
	if host != "" {
		s.addText(host)
	} else {
		s.add(h.host)
	}
	s.addText("\r\n")
	for _, f := range h.fields {
		switch {
		case f.staysHere(h.connection), f.isForwarding(from.trusted), f.namesAnotherTarget(), f.begins("Penstock-"), isSecret(f, secrets), f.resembles("Via"):
		case f.is("Cookie"):
			writeCookies(s, f.value)
		default:
			writeField(s, f)
		}
	}
	writeForwarding(s, h, from)
	writeTold(s, about)
	writeFraming(s, h)
	s.addText("\r\n")
}

// staysHere reports whether a header is about one connection and not about the message (RFC 9110, section
// 7.6.1), or is written anew.
func (f field) staysHere(connection []byte) bool {
	switch {
	case f.framesMessage(), f.resembles("Keep-Alive"), f.resembles("Proxy-Connection"), f.resembles("Proxy-Authenticate"), f.resembles("Proxy-Authorization"),
		f.resembles("TE"), f.resembles("Trailer"), f.resembles("Upgrade"), f.resembles("HTTP2-Settings"):
		return true
	}
	return len(connection) > 0 && listHas(connection, string(f.name))
}

// isForwarding reports whether a header says where a request came from and is replaced. Of a trusted proxy only
// those are replaced that are written anew.
func (f field) isForwarding(trusted bool) bool {
	if trusted {
		return f.resembles("X-Forwarded-For") || f.resembles("X-Forwarded-Proto") || f.resembles("X-Forwarded-Host")
	}
	return f.begins("X-Forwarded-") || f.resembles("Forwarded") || f.resembles("X-Real-IP")
}

// namesAnotherTarget reports whether a header can make a shop's framework serve another path than that of the
// request, past the rules.
func (f field) namesAnotherTarget() bool {
	return f.resembles("X-Original-URL") || f.resembles("X-Rewrite-URL")
}

func isSecret(f field, secrets []string) bool {
	for _, name := range secrets {
		if f.resembles(name) {
			return true
		}
	}
	return false
}

func writeField(s *sink, f field) {
	s.add(f.name)
	s.addText(": ")
	s.add(f.value)
	s.addText("\r\n")
}

// ownCookies begins the names of Penstock's cookies.
var ownCookies = []byte("penstock_")

// isOwnCookie reports whether a cookie is Penstock's, also with one of the prefixes that browsers check.
func isOwnCookie(pair []byte) bool {
	name := bytes.TrimLeft(pair, " \t")
	for _, prefix := range []string{"__Host-", "__Secure-"} {
		if len(name) >= len(prefix) && bytes.EqualFold(name[:len(prefix)], []byte(prefix)) {
			name = name[len(prefix):]
			break
		}
	}
	return len(name) >= len(ownCookies) && bytes.EqualFold(name[:len(ownCookies)], ownCookies)
}

// writeCookies writes a Cookie header without those of Penstock, if any are left.
func writeCookies(s *sink, value []byte) {
	some := false
	for pair := range bytes.SplitSeq(value, []byte(";")) {
		if isOwnCookie(pair) || len(bytes.TrimSpace(pair)) == 0 {
			continue
		}
		if some {
			s.addText("; ")
		} else {
			s.addText("Cookie: ")
		}
		some = true
		s.add(bytes.TrimSpace(pair))
	}
	if some {
		s.addText("\r\n")
	}
}

// writeForwarding says where the request came from. What a trusted proxy said is continued, what anybody else
// said is replaced.
func writeForwarding(s *sink, h *head, from *origin) {
	s.addText("X-Forwarded-For: ")
	if from.trusted {
		for _, f := range h.fields {
			if f.is("X-Forwarded-For") && len(f.value) > 0 {
				s.add(f.value)
				s.addText(", ")
			}
		}
	}
	if from.peer.IsValid() {
		s.addText(from.peer.String())
	} else {
		s.addText("unknown")
	}
	s.addText("\r\nX-Forwarded-Proto: ")
	s.addText(from.proto(h))
	s.addText("\r\nX-Forwarded-Host: ")
	s.add(from.hostAsked(h))
	s.addText("\r\nVia: ")
	for _, f := range h.fields {
		if f.is("Via") && len(f.value) > 0 {
			s.add(f.value)
			s.addText(", ")
		}
	}
	s.addText(via + "\r\n")
}

func writeTold(s *sink, about *told) {
	if about.sale == "" {
		return
	}
	s.addText("Penstock-Sale: " + about.sale + "\r\n")
	if about.shadow != "" {
		s.addText("Penstock-Shadow: " + about.shadow + "\r\n")
	}
	if about.ticket == 0 {
		return
	}
	var number [20]byte
	s.addText("Penstock-Ticket: ")
	s.add(strconv.AppendUint(number[:0], about.ticket, 10))
	var moment [40]byte
	s.addText("\r\nPenstock-Pass-Expires: ")
	s.add(about.expiresAt.UTC().AppendFormat(moment[:0], "2006-01-02T15:04:05Z"))
	s.addText("\r\n")
	if len(about.pass) > 0 {
		s.addText("Penstock-Pass: ")
		s.add(about.pass)
		s.addText("\r\n")
	}
}

// writeFraming says how long the body is, and whether the connection goes on as a WebSocket.
func writeFraming(s *sink, h *head) {
	switch {
	case h.upgrade:
		s.addText("Connection: Upgrade\r\nUpgrade: websocket\r\n")
	case h.bodyBytes == chunkedLength:
		s.addText("Transfer-Encoding: chunked\r\n")
	case h.bodyBytes > 0 || h.get("Content-Length") != nil:
		var number [20]byte
		s.addText("Content-Length: ")
		s.add(strconv.AppendInt(number[:0], h.bodyBytes, 10))
		s.addText("\r\n")
	}
}
