package notify

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/internal/address"
	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

const (
	lookEvery = 200 * time.Millisecond
	// readEvery is how often the ledger is asked for wishes that are new.
	readEvery = time.Second
	// settleTimeout bounds what the end of a term waits for the ledger.
	settleTimeout = time.Second
)

// TellerDeps is what a teller works with besides.
type TellerDeps struct {
	Deps
	Sales    *salecache.Cache
	Tickets  *queue.TicketKeys
	Links    *roomlink.Keys // that take a place to another device
	Webhooks *WebhookKeys
	// WebhookNetworks are private networks that webhooks may be in.
	WebhookNetworks []netip.Prefix
	// Roots are the authorities that are believed; nil means those of the system.
	Roots   *x509.CertPool
	Metrics prometheus.Registerer // nil means nowhere
}

// Teller has visitors told. It is a task of the leader.
type Teller struct {
	deps    TellerDeps
	push    *http.Client
	shop    *http.Client
	metrics *metrics
}

// NewTeller returns a teller. The error is about the metrics registry.
func NewTeller(deps TellerDeps) (*Teller, error) {
	m, err := newMetrics(deps.Metrics)
	if err != nil {
		return nil, err
	}
	inNetworks := func(_ string, addr netip.Addr) bool { return address.In(deps.WebhookNetworks, addr) }
	return &Teller{
		deps: deps, metrics: m,
		push: newClient(deps.Roots, deps.PushHosts.mayBePrivate), shop: newClient(deps.Roots, inNetworks),
	}, nil
}

// Run works for one term of the leader. It begins with what the ledger has: what an earlier leader has told and not
// removed is told again.
func (t *Teller) Run(ctx context.Context, _ int64) error {
	s := newShift(t)
	defer s.end()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failing := false
	for {
		err := s.step(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !failing:
			t.deps.Log.Warn("notifications are late: the ledger does not answer", "error", err)
		case err == nil && failing:
			t.deps.Log.Info("notifications go out again")
		}
		failing = err != nil
		if s.overgrown() {
			return nil // it begins anew with what the ledger has
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// send makes one call.
func (t *Teller) send(ctx context.Context, rec *sale.Record, w *wish, claimBefore, now time.Time) outcome {
	message := &called{wish: w, saleName: rec.Name, claimBefore: claimBefore}
	if w.way() == Push {
		return sendPush(ctx, t.push, t.deps.PushKeys, t.deps.Contact, message, now)
	}
	hook, err := url.Parse(rec.Notify.WebhookURL)
	if err != nil || hook.Scheme != "https" && !t.mayBePlain(hook) {
		return outcome{verdict: impossible, err: errPlain}
	}
	message.link = t.linkToPlace(w.Ticket, claimBefore)
	out := sendWebhook(ctx, t.shop, rec.Notify.WebhookURL, t.deps.Webhooks.of(w.Ticket.Sale), message, now)
	if out.verdict == gone || out.verdict == refused {
		out.verdict = tryAgain // it is not about this visitor: the shop may mend it in time
	}
	return out
}

// mayBePlain lets plain http go to addresses in the networks that are allowed: to those alone, so that no name can
// lead elsewhere.
func (t *Teller) mayBePlain(hook *url.URL) bool {
	addr, err := netip.ParseAddr(hook.Hostname())
	return err == nil && hook.Scheme == "http" && address.In(t.deps.WebhookNetworks, addr.Unmap())
}
