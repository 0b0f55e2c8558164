package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/front"
	"github.com/penstock/penstock/internal/health"
	"github.com/penstock/penstock/internal/listener"
	"github.com/penstock/penstock/internal/notify"
	"github.com/penstock/penstock/internal/preflight"
	"github.com/penstock/penstock/internal/proxy"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/internal/sales"
	"github.com/penstock/penstock/internal/shadow"
	"github.com/penstock/penstock/internal/telemetry"
	"github.com/penstock/penstock/internal/verify"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const (
	// consoleHeaderTimeout bounds slow clients of the console.
	consoleHeaderTimeout = 5 * time.Second
	consoleIdleTimeout   = 2 * time.Minute
	// keepRoomsTimeout is the part of the shutdown that rooms may take, so that time is left for the stores.
	keepRoomsTimeout = 3 * time.Second
)

// node is one running process: the stores, the parts on top of them, and the loops.
type node struct {
	cfg  *config.Config
	log  *slog.Logger
	reg  *prometheus.Registry
	keys derivedKeys

	adminKey          config.Secret
	adminKeyGenerated bool

	stores      *stores
	tickets     *queue.TicketKeys
	passes      *queue.PassKeys
	apiKeys     *auth.Keys
	board       *degrade.Board
	index       *saleindex.Index
	cache       *salecache.Cache
	watch       *health.Watch
	preflight   *preflight.Checker
	sales       *sales.Sales
	verifier    *verify.Verifier
	reconciler  *verify.Reconciler
	orders      *checkout.Log
	desk        *checkout.Desk
	drain       *checkout.Drain
	shadow      *shadow.Shadow // nil where there is no front
	notify      *notify.Desk
	teller      *notify.Teller
	webhookKeys *notify.WebhookKeys
	newcomers   *bots.Tally
	front       *front.Server
	console     *http.Server

	sites       *proxy.Sites      // nil when there is nothing behind this process
	datacentres *bots.NetworkFile // nil when none are known
	certificate *tls.Config       // nil when the front speaks plain HTTP

	frontListener   net.Listener
	consoleListener net.Listener
	connections     listener.Shares
	tasks           *tasks
	stopping        atomic.Bool
}

// start opens the stores, builds the parts that the roles need and starts their loops. On an
// error everything that was opened is closed.
func start(ctx context.Context, cfg *config.Config, log *slog.Logger) (*node, error) {
	n := &node{cfg: cfg, log: log, tasks: newTasks()}
	if err := n.open(ctx); err != nil {
		n.abandon()
		return nil, err
	}
	log.Info("started", logFields(cfg)...)
	return n, nil
}

func (n *node) open(ctx context.Context) (err error) {
	if err := n.prepare(); err != nil {
		return err
	}
	if err := n.listen(); err != nil {
		return err
	}
	if n.stores, err = openStores(ctx, n.cfg, n.reg, n.log); err != nil {
		return err
	}
	if err := n.build(); err != nil {
		return err
	}
	n.startLoops()
	if n.cfg.Demo {
		return openDemoSale(ctx, n.sales)
	}
	return nil
}

// prepare reads the files, loads or makes the keys, and makes the registry of metrics.
func (n *node) prepare() (err error) {
	if n.datacentres, err = readDatacentres(n.cfg, n.log); err != nil {
		return err
	}
	if n.sites, err = readSites(n.cfg); err != nil {
		return err
	}
	if n.certificate, err = readCertificate(n.cfg, n.log); err != nil {
		return err
	}
	if err := os.MkdirAll(n.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("PENSTOCK_DATA_DIR: %w", err)
	}
	if n.cfg.NodeID == "" {
		n.cfg.NodeID = newNodeID()
	}
	secret, err := config.LoadOrCreateSecret(n.cfg.DataDir, n.cfg.Secret)
	if err != nil {
		return err
	}
	if n.keys, err = deriveKeys(secret, n.cfg.PreviousSecrets, n.cfg.NextSecret); err != nil {
		return err
	}
	n.adminKey, n.adminKeyGenerated, err = config.LoadOrCreateAdminKey(n.cfg.DataDir, n.cfg.AdminKey)
	if err != nil {
		return err
	}
	if length := len(n.adminKey.Reveal()); length < auth.StrongKeyLength {
		n.log.Warn("PENSTOCK_ADMIN_KEY could be guessed: use 32 random characters or more", "characters", length)
	}
	n.tickets = queue.NewTicketKeys(n.keys.tickets.current, n.keys.tickets.previous, n.keys.tickets.next)
	n.passes = queue.NewPassKeys(n.keys.passes.current, n.keys.passes.previous, n.keys.passes.next)
	n.reg = telemetry.NewRegistry(telemetry.ReadBuild(version))
	return redis.Metrics(n.reg)
}

// listen takes the addresses first: a port that is in use is the commonest mistake.
func (n *node) listen() (err error) {
	descriptors, err := listener.Descriptors()
	if err != nil {
		return err
	}
	n.connections = listener.Share(descriptors)
	if n.sites != nil {
		// Connections to the shops need descriptors as well. Visitors keep half of theirs at least.
		n.connections.Front -= min(n.sites.MaxConnections()+n.cfg.MaxShopStreams, n.connections.Front/2)
	}
	if n.consoleListener, err = net.Listen("tcp", n.cfg.ConsoleListen); err != nil {
		return fmt.Errorf("PENSTOCK_CONSOLE_LISTEN: %w", err)
	}
	if !n.cfg.Has(config.Gate) {
		return nil
	}
	if n.frontListener, err = net.Listen("tcp", n.cfg.Listen); err != nil {
		return fmt.Errorf("PENSTOCK_LISTEN: %w", err)
	}
	return nil
}

// build makes the parts. None of them does anything by itself yet.
func (n *node) build() error {
	broker := n.stores.broker
	n.board = degrade.NewBoard(n.stores.redis, n.log, n.cfg.NodeID)
	n.apiKeys = auth.NewKeys(n.adminKey.Reveal(), n.lookupKey)
	n.orders = broker.OrderLog(checkout.LogOptions{})
	n.desk = checkout.NewDesk(n.orders, n.log)
	n.index = saleindex.New(n.stores.redis)
	n.cache = salecache.New(salecache.Deps{Index: n.index, Log: n.log, Alone: n.stores.ownRedis, OpenRoom: n.openRoom, OpenStock: n.openStock})
	n.watch = n.newWatch()
	n.preflight = n.newPreflight()
	n.sales = sales.New(sales.Deps{Ledger: n.stores.ledger, Index: n.index, Cache: n.cache, MayArm: n.preflight.MayArm, Log: n.log})
	n.verifier = verify.New(verify.Deps{
		Sales: n.sales, Ledger: n.stores.ledger, Redis: n.stores.redis, Broker: broker, Board: n.board, OpenStock: n.stockOf,
	})
	n.reconciler = verify.NewReconciler(n.verifier, n.cache, n.log)
	if err := errors.Join(n.board.Metrics(n.reg), n.reconciler.Metrics(n.reg), n.reg.Register(salecache.NewCollector(n.cache))); err != nil {
		return err
	}
	if err := n.newNotify(); err != nil {
		return err
	}
	if n.cfg.Has(config.Drain) {
		n.drain = n.newDrain()
	}
	if n.cfg.Has(config.Gate) {
		if err := n.newFront(); err != nil {
			return err
		}
	}
	n.newConsole()
	return nil
}

func (n *node) openRoom(rec sale.Record, lost func()) *queue.Room {
	return queue.OpenRoom(queue.Deps{
		Redis: n.stores.redis, Tickets: n.tickets, Passes: n.passes,
		Journal: n.stores.broker.Journal().Append, Lost: lost, Log: n.log,
		NodeID: n.cfg.NodeID, MaxWaitingTickets: n.cfg.MaxWaitingTickets,
	}, rec)
}

func (n *node) openStock(rec sale.Record, gateKey string, lost func()) *reservation.Stock {
	journal := n.stores.broker.Journal()
	return reservation.OpenStock(reservation.Deps{
		Redis: n.stores.redis, Secret: n.keys.reservations.current, PreviousSecrets: n.keys.reservations.others(), GateKey: gateKey,
		Journal: journal.Append, JournalFull: journal.Full, Lost: lost, Log: n.log,
		Enqueue: func(saleID string, records [][]byte) { _ = journal.Enqueue(saleID, records) }, // counted and logged there
	}, rec)
}

// stockOf opens a stock to look at, by the way.
func (n *node) stockOf(rec sale.Record) *reservation.Stock { return n.openStock(rec, "", nil) }

func (n *node) startLoops() {
	n.tasks.start("sale cache", n.cache.Run)
	n.tasks.start("health", n.watch.Run)
	n.tasks.start("degradation", n.board.Run)
	n.tasks.start("leader", n.newLeader().Run)
	if n.cfg.Has(config.Gate) {
		n.tasks.start("shadow", n.shadow.Run)
		n.tasks.start("newcomers", n.newcomers.Run)
		if n.datacentres != nil {
			n.tasks.start("data centres", n.datacentres.Run)
		}
		n.tasks.start("front", func(context.Context) error { return n.front.Serve(n.frontListener) })
	}
	if n.cfg.Has(config.Drain) {
		n.tasks.start("drain", n.drain.Run)
	}
	n.tasks.start("console", func(context.Context) error {
		if err := n.console.Serve(listener.New(n.consoleListener, listener.Options{MaxConnections: n.connections.Console, Log: n.log})); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// wait returns when ctx ends, or with the error of the first loop that failed.
func (n *node) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.tasks.failed:
		return err
	}
}

// stop finishes what is under way, in the order in which the work flows: no new requests, then no
// loops, then the order log, then the stores.
func (n *node) stop(ctx context.Context) error {
	n.stopping.Store(true) // after a failed start or loop, drainTraffic has not run
	var failed []error
	if n.front != nil {
		failed = append(failed, n.front.Shutdown(ctx))
	}
	if n.console != nil {
		failed = append(failed, n.console.Shutdown(ctx))
	}
	failed = append(failed, n.tasks.stop(ctx))
	if n.front != nil {
		failed = append(failed, n.keepRooms(ctx))
	}
	if n.desk != nil {
		n.orders.Close()
	}
	if n.stores != nil {
		failed = append(failed, n.stores.close(ctx))
	}
	return errors.Join(failed...)
}

// keepRooms journals how far numbers were given, so that a restart leaves no doubt who is in line. It is
// for nodes that give numbers. What does not fit the time is restored with uncertain numbers.
func (n *node) keepRooms(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keepRoomsTimeout)
	defer cancel()
	var failed []error
	for _, entry := range n.cache.All() {
		entry.Room().Close()
		if entry.Ready() && entry.Visited() {
			failed = append(failed, entry.Room().Keep(ctx))
		}
	}
	return errors.Join(failed...)
}

// abandon closes what a failed start has opened.
func (n *node) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.ShutdownTimeout)
	defer cancel()
	if err := n.stop(ctx); err != nil {
		n.log.Debug("closing after a failed start", "error", err)
	}
	for _, l := range []net.Listener{n.frontListener, n.consoleListener} {
		if l != nil {
			_ = l.Close()
		}
	}
}
