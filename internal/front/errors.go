package front

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/penstock/penstock/internal/batch"
	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/listener"
	"github.com/penstock/penstock/internal/problem"
)

// problemOf maps an error of a stage to its document. Running out of time or of room behind us is
// no fault of the request, and passes: the caller is asked to come back.
func problemOf(err error) (doc problem.Problem, known bool) {
	doc, known = problem.Of(err)
	if known {
		hideCards(&doc)
		return doc, true
	}
	switch {
	case errors.Is(err, batch.ErrFull):
		doc, _ = problem.Of(problem.Overloaded)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, batch.ErrClosed):
		doc, _ = problem.Of(problem.Unavailable)
	}
	return doc, false
}

// hideCards makes sure that no refusal repeats a card number that it was asked about: answers get into the logs of
// those who asked.
func hideCards(doc *problem.Problem) {
	doc.Detail = carddata.Mask(doc.Detail)
	copied := false
	for i, f := range doc.Fields {
		text, _ := f.Value.(string)
		hidden := carddata.Mask(text)
		if hidden == text {
			continue
		}
		if !copied { // the error may be answered more than once, and its fields are its own
			doc.Fields, copied = slices.Clone(doc.Fields), true
		}
		doc.Fields[i].Value = hidden
	}
}

// refuse answers with the problem of an error and reports what is ours to mend.
func (s *Server) refuse(c *call, err error) {
	doc, known := problemOf(err)
	if !s.sendRefusalPage(c, &doc) {
		c.sendProblem(&doc)
	}
	s.metrics.refused(doc.Code)
	if doc.Status < 500 {
		return
	}
	level := slog.LevelError
	if c.route.probe && doc.Status == fasthttp.StatusServiceUnavailable {
		level = slog.LevelDebug // an answer like another to whoever asks every second
	} else if known || doc.Status == fasthttp.StatusServiceUnavailable {
		level = slog.LevelWarn
	}
	if level > slog.LevelDebug && !s.failures.allow(c.ctx.Time()) {
		return
	}
	s.log.LogAttrs(context.Background(), level, "request failed",
		slog.String("route", c.route.template), slog.String("sale", string(c.sale)),
		slog.Int("status", doc.Status), slog.String("code", string(doc.Code)),
		slog.String("request_id", string(c.requestID)), slog.String("error", err.Error()))
}

// maxFailureLines is how many failures a second are logged one by one. A crowd that meets a closed
// door makes thousands of the same line; the counter penstock_http_refusals_total has them all.
const maxFailureLines = 20

// throttle lets a bounded number of events pass in each second.
type throttle struct {
	second atomic.Int64
	passed atomic.Int64
}

func (t *throttle) allow(now time.Time) bool {
	second := now.Unix()
	if last := t.second.Load(); last != second && t.second.CompareAndSwap(last, second) {
		t.passed.Store(0)
	}
	return t.passed.Add(1) <= maxFailureLines
}

// transportError answers what never became a request: malformed or too large. The connection is
// closed afterwards, as its place in the stream is lost. It does not count as being worked on.
//
// A client that sent nothing in time, or stopped in the middle, gets no answer: browsers open
// connections ahead of need, and would take an answer for that to their next request.
func (s *Server) transportError(ctx *fasthttp.RequestCtx, err error) {
	if timedOut(err) {
		_ = ctx.Conn().Close()
		return
	}
	c := s.begin(ctx)
	c.route, c.broken = &s.routes[routeNone], true
	s.refuse(c, wordTransportError(err))
	if c.code == problem.BodyTooLarge || c.code == problem.HeadersTooLarge {
		listener.Drain(ctx.Conn())
	}
	s.finish(c)
}

func timedOut(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

func wordTransportError(err error) error {
	var tooSmall *fasthttp.ErrSmallBuffer
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return problem.With(problem.BodyTooLarge, "a body is 65536 bytes at most")
	case errors.As(err, &tooSmall):
		return problem.With(problem.HeadersTooLarge, "the request line and headers are 32768 bytes at most, cookies included")
	default:
		return problem.With(problem.BadRequest, "this is not a well-formed HTTP/1.1 request")
	}
}
