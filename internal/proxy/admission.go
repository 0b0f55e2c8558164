package proxy

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// toRoom is the refusal of a visitor who belongs in the waiting room of a sale.
type toRoom struct {
	sale   string
	reason error
}

func (t *toRoom) Error() string { return "to the waiting room of " + t.sale }

func (t *toRoom) Unwrap() error { return t.reason }

// enter finds the site and takes a place among the requests that are under way, which the caller gives back.
// Errors: misdirected, overloaded.
func (e *Exchange) enter() error {
	if e.site = e.proxy.sites.find(e.head.host); e.site == nil {
		return problem.With(problem.Misdirected, "no site of this host is configured here")
	}
	if e.proxy.requests.Add(1) > int64(e.proxy.deps.MaxRequests) {
		e.proxy.requests.Add(-1)
		return problem.Retry(problem.Overloaded, "too many requests for the shop are under way; come back in a moment", retryBusySeconds)
	}
	e.from = originOf(e.conn, e.tls, &e.head, e.proxy.deps.TrustedProxies)
	return nil
}

// decide lets the request pass, or returns why it does not. What the shop is told about the visitor is set.
func (e *Exchange) decide(now time.Time) error {
	protecting, err := decide(e.site.rules, &e.head)
	if err != nil {
		return err
	}
	figures := e.proxy.metrics.bySite[e.site]
	switch {
	case protecting == nil:
		figures.decided(decidedOpen)
		return nil
	case e.head.isPreflight():
		figures.decided(decidedPreflight)
		return nil
	case e.site.bypass.lets(&e.head, &e.from, now):
		figures.decided(decidedBypass)
		return nil
	}
	return e.admit(protecting, figures)
}

// admit asks whether the visitor has a pass.
func (e *Exchange) admit(protecting *rule, figures *siteMetrics) error {
	got := e.proxy.deps.Admit(protecting.sale, e.visitor())
	switch {
	case got.Verdict == Admitted:
		if got.Shadow != "" {
			figures.decided(decidedShadow)
		} else {
			figures.decided(decidedAdmitted)
		}
		e.told = told{sale: protecting.sale, ticket: got.Ticket, expiresAt: got.ExpiresAt, shadow: got.Shadow}
		if protecting.forwardPass {
			e.told.pass = got.Pass
		}
		return nil
	case got.Verdict == Refused:
		figures.decided(decidedRefused)
		return &toRoom{sale: protecting.sale, reason: got.Reason}
	case protecting.failOpen:
		figures.decided(decidedFailedOpen)
		return nil
	default:
		figures.decided(decidedUnknown)
		return got.Reason
	}
}

// visitor is who sent the request, as far as it tells.
func (e *Exchange) visitor() *Visitor {
	v := &Visitor{Cookies: e.head.cookies(), Device: e.head.get("Penstock-Device"), Address: e.from.visitor, Page: e.head.wantsPage()}
	for _, f := range e.head.fields {
		if f.is("Penstock-Pass") {
			v.Passes = append(v.Passes, f.value)
		}
	}
	return v
}

// roomOf is the address of a waiting room that leads back to the page that was asked for.
func (e *Exchange) roomOf(saleID string) string {
	return e.proxy.deps.Room(saleID, "/"+string(bytes.TrimLeft(e.head.target, "/")))
}

// obey does what the shop asks in its answer: the visitor's pass of the sale is ended. Where the page is
// protected by no sale, each sale of the site is meant. The answer waits, so that the visitor's next request
// meets what was asked.
func (e *Exchange) obey() {
	asked, known := commandOf(e.reply.fields)
	switch {
	case !known:
		e.noteCommand("unknown", nil)
		return
	case asked == noCommand:
		return
	}
	sales := e.site.sales
	if e.told.sale != "" {
		sales = []string{e.told.sale}
	}
	ctx, cancel := context.WithTimeout(context.Background(), endPassTimeout)
	defer cancel()
	for _, saleID := range sales {
		if err := e.proxy.deps.EndPass(ctx, saleID, e.visitor()); err != nil {
			e.noteCommand("failed", err)
			return
		}
	}
	e.noteCommand("obeyed", nil)
}

func (e *Exchange) noteCommand(outcome string, err error) {
	e.proxy.metrics.commands.WithLabelValues(e.site.name, outcome).Inc()
	if outcome != "obeyed" {
		e.proxy.warn("a command of the shop was not obeyed", err, slog.String("site", e.site.name), slog.String("outcome", outcome))
	}
}
