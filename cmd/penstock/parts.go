package main

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/console"
	"github.com/penstock/penstock/internal/front"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/listener"
	"github.com/penstock/penstock/internal/telemetry"
	"github.com/penstock/penstock/reservation"
)

func (n *node) newFront() (err error) {
	n.front, err = front.New(front.Deps{
		Sales: n.cache, Tickets: n.tickets, Passes: n.passes, Desk: n.desk,
		LookupOrder: n.lookupOrder, Board: n.board, Keys: n.apiKeys, Log: n.log, Metrics: n.reg,
		Ready: n.readiness, Demo: n.cfg.Demo, MaxInFlight: n.cfg.MaxInflight,
		MaxConnections: n.connections.Front, MaxConnectionsPerAddress: n.cfg.MaxConnectionsPerAddress, TrustedProxies: n.trustedProxies(),
	})
	return err
}

// trustedProxies are the addresses from which the connections of many visitors come.
func (n *node) trustedProxies() []netip.Prefix {
	networks := make([]netip.Prefix, len(n.cfg.TrustedProxies))
	for i, network := range n.cfg.TrustedProxies {
		networks[i] = netip.Prefix(network)
	}
	return networks
}

// lookupOrder asks the ledger for an order that Redis no longer knows.
func (n *node) lookupOrder(ctx context.Context, id string) (front.Order, error) {
	row, err := n.stores.ledger.Order(ctx, id)
	if err != nil {
		return front.Order{}, err
	}
	return front.Order{
		ID: row.ID, Sale: row.Sale, Reservation: row.Reservation, Status: row.Status, Lines: linesOf(row.Lines),
		CreatedAt: time.UnixMilli(row.CreatedAtMillis).UTC(), CommittedAt: time.UnixMilli(row.CommittedAtMillis).UTC(),
	}, nil
}

func linesOf(from []ledger.Line) []reservation.Line {
	lines := make([]reservation.Line, len(from))
	for i, line := range from {
		lines[i] = reservation.Line{SKU: line.SKU, Quantity: line.Quantity}
	}
	return lines
}

// lookupKey finds the holder of an API key in the ledger.
func (n *node) lookupKey(ctx context.Context, hash string) (auth.Identity, bool, error) {
	key, found, err := n.stores.ledger.KeyByHash(ctx, hash)
	if err != nil || !found {
		return auth.Identity{}, false, err
	}
	role, err := auth.ParseRole(key.Role)
	if err != nil {
		return auth.Identity{}, false, err
	}
	return auth.Identity{KeyID: key.ID, Name: key.Name, Role: role}, true, nil
}

// newConsole serves operators in the role console; in every other role the same listener has the
// metrics and the health of the process alone.
func (n *node) newConsole() {
	metrics := telemetry.MetricsHandler(n.reg, n.log)
	n.console = &http.Server{ReadHeaderTimeout: consoleHeaderTimeout, IdleTimeout: consoleIdleTimeout, ConnState: listener.Follow}
	if !n.cfg.Has(config.Console) {
		n.console.Handler = console.Health(metrics, n.readiness)
		return
	}
	handler := console.New(console.Deps{
		Keeper: n.keeper, Ledger: n.stores.ledger, Board: n.board, Keys: n.apiKeys,
		Redrive: n.redrive, Metrics: metrics, Ready: n.readiness, Log: n.log,
		SessionSecret: n.keys.sessions.current, OtherSessionSecrets: n.keys.sessions.others(), Now: time.Now, PublicURL: n.publicURL(),
	})
	n.console.Handler = handler
	n.console.RegisterOnShutdown(handler.Close)
}

// redrive sends what the ledger refused through the order log once more.
func (n *node) redrive(ctx context.Context, letter ledger.DeadLetter) error {
	return n.orders.Append(ctx, letter.Raw)
}

// publicURL is where browsers see the front.
func (n *node) publicURL() string {
	if n.cfg.PublicURL != "" {
		return n.cfg.PublicURL.Reveal()
	}
	return n.frontURL()
}
