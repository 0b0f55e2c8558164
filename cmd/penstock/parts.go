package main

import (
	"context"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/console"
	"github.com/penstock/penstock/internal/front"
	"github.com/penstock/penstock/internal/identity"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/listener"
	"github.com/penstock/penstock/internal/proof"
	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/shadow"
	"github.com/penstock/penstock/internal/telemetry"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

func (n *node) newFront() (err error) {
	n.shadow, err = shadow.New(shadow.Deps{Ledger: n.stores.ledger, Sales: n.cache, Desk: n.desk, Log: n.log, Metrics: n.reg})
	if err != nil {
		return err
	}
	shared, err := config.SharedKeys(n.cfg.JoinKeys)
	if err != nil {
		return err
	}
	n.newcomers = bots.NewTally(n.stores.ledger.AddNewcomers, n.log)
	n.front, err = front.New(front.Deps{
		Sales: n.cache, Tickets: n.tickets, Passes: n.passes, Desk: n.desk,
		JoinTokens:  identity.NewVerifier(shared, identity.FetchOptions{Hosts: config.Texts(n.cfg.JWKSHosts), Log: n.log}),
		PlaceKeys:   queue.NewPlaceKeys(n.keys.places.current, n.keys.places.others()...),
		Invites:     identity.NewInvites(n.inviteCodes(), n.stores.ledger.UseInvites),
		Holders:     reservation.NewHolderKeys(n.keys.holders.current, n.keys.holders.others()...),
		Proofs:      proof.NewKeys(n.keys.proofs.current, n.keys.proofs.others()...),
		Notify:      n.notify,
		Newcomers:   n.newcomers,
		Datacentres: n.datacentres,
		RoomLinks:   n.roomLinks(),
		LookupOrder: n.stores.ledger.Order, Draft: n.stores.ledger.Sale, NewOrders: n.stores.ledger.NewOrders, Report: n.stores.ledger.Fairness, Shadow: n.shadow, Board: n.board, Keys: n.apiKeys, Log: n.log, Metrics: n.reg,
		Ready: n.readiness, Demo: n.cfg.Demo, MaxInFlight: n.cfg.MaxInflight,
		MaxConnections: n.connections.Front, MaxConnectionsPerAddress: n.cfg.MaxConnectionsPerAddress, TrustedProxies: n.trustedProxies(),
		PublicURL: strings.TrimSuffix(n.cfg.PublicURL.Reveal(), "/"), ReturnHosts: config.Texts(n.cfg.ReturnHosts),
		AllowedOrigins: config.Texts(n.cfg.AllowedOrigins),
		TLS:            n.certificate, Sites: n.sites, MaxShopRequests: n.cfg.MaxShopRequests, MaxShopStreams: n.cfg.MaxShopStreams,
	})
	return err
}

// inviteCodes are how the ledger knows invites.
func (n *node) inviteCodes() *identity.Codes {
	return identity.NewCodes(n.keys.invites.current, n.keys.invites.others()...)
}

// trustedProxies are the addresses from which the connections of many visitors come.
func (n *node) trustedProxies() []netip.Prefix { return prefixes(n.cfg.TrustedProxies) }

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
	n.noteKeyUse(ctx, key)
	return auth.Identity{KeyID: key.ID, Name: key.Name, Role: role, Channels: key.Channels, Sales: key.Sales}, true, nil
}

// keyUseTimeout bounds what a request may wait for the note that its key is used. The note is a convenience.
const keyUseTimeout = 200 * time.Millisecond

func (n *node) noteKeyUse(ctx context.Context, key ledger.Key) {
	ctx, cancel := context.WithTimeout(ctx, keyUseTimeout)
	defer cancel()
	if err := n.stores.ledger.NoteKeyUse(ctx, key, time.Now()); err != nil {
		n.log.Debug("the use of an API key was not written down", "key", key.ID, "error", err)
	}
}

// newConsole serves operators in the role console; in every other role the same listener has the
// metrics and the health of the process alone.
func (n *node) newConsole() {
	metrics := telemetry.MetricsHandler(n.reg, n.log)
	n.console = &http.Server{ReadHeaderTimeout: consoleHeaderTimeout, IdleTimeout: consoleIdleTimeout, ConnState: listener.Follow}
	if !n.cfg.Has(config.Console) {
		n.console.Handler = console.GuardHost(console.Health(metrics, n.readiness), n.consoleNames())
		return
	}
	handler := console.New(console.Deps{
		Sales: n.sales, Verifier: n.verifier, Preflight: n.preflight, Ledger: n.stores.ledger, Board: n.board, Keys: n.apiKeys,
		Notify: n.notify, WebhookKeys: n.webhookKeys,
		Invites: n.inviteCodes(),
		Redrive: n.redrive, Metrics: metrics, Ready: n.readiness, Log: n.log,
		SessionSecret: n.keys.sessions.current, OtherSessionSecrets: n.keys.sessions.others(), Now: time.Now, PublicURL: n.publicURL(),
		RoomLinks: n.roomLinks(),
	})
	n.console.Handler = console.GuardHost(handler, n.consoleNames())
	n.console.RegisterOnShutdown(handler.Close)
}

// roomLinks are the keys of previews and of links that take a place to another device.
func (n *node) roomLinks() *roomlink.Keys {
	return roomlink.NewKeys(n.keys.roomLinks.current, n.keys.roomLinks.others()...)
}

// consoleNames are the names under which browsers reach the console.
func (n *node) consoleNames() []string {
	names := config.Texts(n.cfg.ConsoleHosts)
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	return names
}

// redrive commits the order of a dead letter, and tells Redis once it is in the ledger.
func (n *node) redrive(ctx context.Context, letterID string) (checkout.Stored, error) {
	order, _, err := n.stores.ledger.Redrive(ctx, letterID, ledger.Units{Reacquire: n.reacquire, GiveBack: n.giveBack})
	if err != nil {
		return order, err
	}
	if err := n.settle(ctx, order.Sale, []checkout.Order{order.Order}, order.CommittedAtMillis); err != nil {
		n.log.Warn("an order that was driven again is in the ledger and not settled in Redis", "order", order.ID, "error", err)
	}
	return order, nil
}

// publicURL is where browsers see the front.
func (n *node) publicURL() string {
	if n.cfg.PublicURL != "" {
		return n.cfg.PublicURL.Reveal()
	}
	return n.frontURL()
}
