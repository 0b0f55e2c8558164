package proxy

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"

	"github.com/penstock/penstock/internal/problem"
)

//go:embed pages/wait.html
var waitPageText string

// waitPage is what a person sees while the shop, or what is known of the visitor, is not there.
var waitPage = template.Must(template.New("wait").Parse(waitPageText))

// errAbandoned ends an exchange without an answer: the visitor is gone, or the answer broke off.
var errAbandoned = errors.New("the exchange was abandoned")

func tooLarge(limit int64) error {
	return problem.With(problem.BodyTooLarge, fmt.Sprintf("a body for this site is %d bytes at most", limit))
}

// refuse answers instead of the shop.
func (e *Exchange) refuse(err error) {
	if e.begun || errors.Is(err, errAbandoned) {
		e.keep = false
		return
	}
	e.skipBody()
	var room *toRoom
	if errors.As(err, &room) && e.head.wantsPage() {
		e.proxy.metrics.refusals.WithLabelValues(string(problem.PassRequired)).Inc()
		extra := "Location: " + e.roomOf(room.sale) + "\r\n"
		if e.proxy.deps.RoomCookie != nil {
			extra += e.proxy.deps.RoomCookie(e.head.cookies())
		}
		e.send(http.StatusSeeOther, "", nil, extra)
		return
	}
	doc, known := problem.Of(err)
	if !known {
		e.proxy.warn("a request for the shop failed", err)
	}
	e.proxy.metrics.refusals.WithLabelValues(string(doc.Code)).Inc()
	extra := ""
	if doc.RetryAfterSeconds > 0 {
		extra = "Retry-After: " + strconv.Itoa(doc.RetryAfterSeconds) + "\r\n"
	}
	if room != nil {
		doc.Detail = "the waiting room is at " + e.proxy.deps.Room(room.sale, "")
		extra += "Location: " + e.roomOf(room.sale) + "\r\n"
	}
	if doc.Status == http.StatusServiceUnavailable && e.head.wantsPage() {
		e.sendWaitPage(&doc, extra)
		return
	}
	doc.Instance = string(e.head.path)
	body, err := json.Marshal(doc)
	if err != nil {
		e.keep = false // not reachable: strings and numbers marshal
		return
	}
	e.send(doc.Status, problem.ContentType, body, extra)
}

// skipBody steps over the body of a request that is refused. When it has not arrived, the connection is closed
// after the answer.
func (e *Exchange) skipBody() {
	switch n := e.head.bodyBytes; {
	case e.fault != nil, n == chunkedLength, n > int64(len(e.arrived)):
		e.keep, e.linger = false, true
	default:
		e.used = int(n)
	}
}

// sendWaitPage tells a person that it goes on by itself.
func (e *Exchange) sendWaitPage(doc *problem.Problem, extra string) {
	var page bytes.Buffer
	view := struct {
		ShopDown       bool
		RefreshSeconds int
	}{doc.Code == problem.ShopUnreachable, max(doc.RetryAfterSeconds, 1)}
	if err := waitPage.Execute(&page, view); err != nil {
		e.keep = false
		return
	}
	e.send(doc.Status, "text/html; charset=utf-8", page.Bytes(), extra+
		"Content-Security-Policy: default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'\r\n")
}

// send writes an answer of Penstock's own. Extra are further header lines.
func (e *Exchange) send(status int, contentType string, body []byte, extra string) {
	s := &e.out
	writeStatus(s, status, []byte(http.StatusText(status)))
	if contentType != "" {
		s.addText("Content-Type: " + contentType + "\r\n")
	}
	s.addText("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n")
	if e.proxy.deps.NewRequestID != nil {
		s.addText("Penstock-Request-Id: " + e.proxy.deps.NewRequestID() + "\r\n")
	}
	s.addText(extra)
	s.addText("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
	writePersistence(s, &e.head, e.keep && !e.proxy.stopping.Load())
	s.addText("\r\n")
	if string(e.head.method) != http.MethodHead {
		s.add(body)
	}
}
