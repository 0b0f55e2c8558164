package proxy

import (
	"bytes"
	"strconv"
)

// bodyForm is how the visitor learns where the body of an answer ends.
type bodyForm int

const (
	noBody bodyForm = iota
	byLength
	byChunks
	byClosing
)

// formFor chooses how a body is sent to the visitor.
func formFor(h *head, a *reply) bodyForm {
	switch {
	case a.bodyBytes == 0:
		return noBody
	case a.bodyBytes > 0:
		return byLength
	case h.http10:
		return byClosing
	default:
		return byChunks
	}
}

// writeReply writes the head that the visitor gets: the shop's without what belongs to the connection and to
// Penstock.
func writeReply(s *sink, h *head, a *reply, form bodyForm, keep bool) {
	writeStatus(s, a.status, a.reason)
	for _, f := range a.fields {
		switch {
		case f.staysHere(a.connection), f.begins("Penstock-"), f.resembles("Via"):
		default:
			writeField(s, f)
		}
	}
	writeVia(s, a.fields)
	switch {
	case a.status == 101:
		s.addText("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		return
	case a.status < 200:
		s.addText("\r\n")
		return
	case form == byChunks:
		s.addText("Transfer-Encoding: chunked\r\n")
	case a.declared >= 0 && a.status != 204 && form != byClosing:
		var number [20]byte
		s.addText("Content-Length: ")
		s.add(strconv.AppendInt(number[:0], a.declared, 10))
		s.addText("\r\n")
	}
	writePersistence(s, h, keep)
	s.addText("\r\n")
}

func writeStatus(s *sink, status int, reason []byte) {
	var number [4]byte
	s.addText("HTTP/1.1 ")
	s.add(strconv.AppendInt(number[:0], int64(status), 10))
	s.addText(" ")
	s.add(reason)
	s.addText("\r\n")
}

func writeVia(s *sink, fields []field) {
	s.addText("Via: ")
	for _, f := range fields {
		if f.is("Via") && len(f.value) > 0 {
			s.add(f.value)
			s.addText(", ")
		}
	}
	s.addText(via + "\r\n")
}

// writePersistence says whether the connection goes on, where that is not what the version means by itself.
func writePersistence(s *sink, h *head, keep bool) {
	switch {
	case !keep:
		s.addText("Connection: close\r\n")
	case h.http10:
		s.addText("Connection: keep-alive\r\n")
	}
}

// command is what the shop may ask Penstock in an answer.
type command string

const (
	noCommand     command = ""
	releaseOfPass command = "release"
	revokeOfPass  command = "revoke"
)

// commandOf returns what the header Penstock-Command of an answer asks. Known is false when it asks for
// something else.
func commandOf(fields []field) (asked command, known bool) {
	for _, f := range fields {
		if !f.is("Penstock-Command") {
			continue
		}
		switch one := command(bytes.ToLower(f.value)); one {
		case releaseOfPass, revokeOfPass:
			return one, true
		default:
			return noCommand, false
		}
	}
	return noCommand, true
}
