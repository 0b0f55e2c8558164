package front

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

// call is one request on its way through a handler. Calls are pooled: nothing may keep one, or a
// slice of it, after the handler returned.
type call struct {
	ctx   *fasthttp.RequestCtx
	route *route
	target
	entry     *salecache.Entry // the sale of the path, when it has one
	admitted  queue.Pass       // the pass that this request claimed, if it did
	buf       []byte           // the body of the answer is appended here
	key       []byte           // scratch for names of cookies and values of headers
	requestID []byte
	code      problem.Code // of the refusal, for the log
	broken    bool         // it never became a request; see transportError
	// inFlightNow is how many requests were worked on when this one came, itself included.
	inFlightNow int64
	load        load
}

// handle is the whole middleware: what happens around every request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	c := s.begin(ctx)
	defer s.finish(c)
	c.inFlightNow = s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	defer s.survive(c)
	c.target = match(ctx.URI().PathOriginal())
	c.route = &s.routes[c.target.route]
	if err := s.serve(c); err != nil {
		s.refuse(c, err)
	}
}

func (s *Server) serve(c *call) error {
	s.allowOrigin(c)
	if c.ctx.IsOptions() && c.route.any == nil && c.route.allow != "" {
		s.answerOptions(c)
		return nil
	}
	handler, err := c.route.handler(c)
	if err != nil {
		return err
	}
	if c.load = s.loadOf(c.inFlightNow); c.load >= c.route.shedAt {
		return problem.Retry(problem.Overloaded, "too many requests are being worked on; come back in a moment", shedRetrySeconds)
	}
	if len(c.sale) > 0 {
		if c.entry, err = s.find(string(c.sale), problem.UnknownSale); err != nil && !c.route.ownUnknownSale {
			return err
		}
	}
	return handler(s, c)
}

func (s *Server) begin(ctx *fasthttp.RequestCtx) *call {
	c := s.calls.Get().(*call)
	*c = call{ctx: ctx, buf: c.buf[:0], key: c.key[:0], requestID: c.requestID[:0]}
	c.requestID = s.appendRequestID(c.requestID)
	ctx.Response.Header.SetCanonical(headerRequestID, c.requestID)
	ctx.Response.Header.SetCanonical(headerNoSniff, valueNoSniff)
	return c
}

func (s *Server) finish(c *call) {
	s.note(c, c.ctx.Method(), c.ctx.Response.StatusCode(), len(c.ctx.Response.Body()), c.ctx.Time())
	c.ctx, c.entry, c.target = nil, nil, target{}
	s.calls.Put(c)
}

// note counts and, when asked to, logs a request that was answered: one wide event.
func (s *Server) note(c *call, method []byte, status, bodyBytes int, began time.Time) {
	took := time.Since(began)
	c.route.observe(status, took)
	if s.log.Enabled(context.Background(), slog.LevelDebug) {
		s.log.LogAttrs(context.Background(), slog.LevelDebug, "request",
			slog.String("method", string(method)), slog.String("route", c.route.template),
			slog.String("sale", string(c.sale)), slog.Int("status", status), slog.String("code", string(c.code)),
			slog.Duration("duration", took), slog.Int("bytes", bodyBytes),
			slog.String("request_id", string(c.requestID)))
	}
}

// survive turns a panic of a handler into a 500: fasthttp would let it end the process, and with
// it everybody else's requests.
func (s *Server) survive(c *call) {
	fault := recover()
	if fault == nil {
		return
	}
	c.ctx.Response.ResetBody()
	s.refuse(c, fmt.Errorf("panic: %v\n%s", fault, debug.Stack()))
}
