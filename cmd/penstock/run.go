package main

import (
	"context"
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
	"github.com/penstock/penstock/internal/conductor"
	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/front"
	"github.com/penstock/penstock/internal/health"
	"github.com/penstock/penstock/internal/keeper"
	"github.com/penstock/penstock/internal/listener"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/telemetry"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const (
	conductorLeaseTTL = 2 * time.Second
	// consoleHeaderTimeout bounds slow clients of the console.
	consoleHeaderTimeout = 5 * time.Second
	consoleIdleTimeout   = 2 * time.Minute
)

// node is one running process: the stores, the parts on top of them, and the loops.
type node struct {
	cfg  *config.Config
	log  *slog.Logger
	reg  *prometheus.Registry
	keys derivedKeys

	adminKey          config.Secret
	adminKeyGenerated bool

	stores  *stores
	tickets *queue.TicketKeys
	passes  *queue.PassKeys
	apiKeys *auth.Keys
	board   *degrade.Board
	cache   *salecache.Cache
	watch   *health.Watch
	keeper  *keeper.Keeper
	orders  *checkout.Log
	desk    *checkout.Desk
	drain   *checkout.Drain
	front   *front.Server
	console *http.Server

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
		return openDemoSale(ctx, n.keeper)
	}
	return nil
}

// prepare loads or makes the keys and the registry of metrics.
func (n *node) prepare() error {
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
	n.tickets = queue.NewTicketKeys(n.keys.tickets.current, n.keys.tickets.others()...)
	n.passes = queue.NewPassKeys(n.keys.passes.current)
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
	n.cache = salecache.New(salecache.Deps{Redis: n.stores.redis, Log: n.log, OpenRoom: n.openRoom, OpenStock: n.openStock})
	n.watch = n.newWatch()
	n.keeper = keeper.New(keeper.Deps{
		Ledger: n.stores.ledger, Redis: n.stores.redis, Broker: broker, Journal: broker.Journal(),
		Board: n.board, MayArm: n.mayArm, NodeID: n.cfg.NodeID, Log: n.log,
		OpenStock: func(rec sale.Record) *reservation.Stock { return n.openStock(rec, "") },
	})
	if err := errors.Join(n.board.Metrics(n.reg), n.reg.Register(salecache.NewCollector(n.cache))); err != nil {
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

func (n *node) openRoom(rec sale.Record) *queue.Room {
	return queue.OpenRoom(queue.Deps{
		Redis: n.stores.redis, Tickets: n.tickets, Passes: n.passes,
		Journal: n.stores.broker.Journal().Append, Log: n.log,
		NodeID: n.cfg.NodeID, MaxWaitingTickets: n.cfg.MaxWaitingTickets,
	}, rec)
}

func (n *node) openStock(rec sale.Record, gateKey string) *reservation.Stock {
	journal := n.stores.broker.Journal()
	return reservation.OpenStock(reservation.Deps{
		Redis: n.stores.redis, Secret: n.keys.reservations.current, GateKey: gateKey,
		Journal: journal.Append, Enqueue: journal.Enqueue, Log: n.log,
	}, rec)
}

// mayArm refuses to put a sale on a log that is known not to sync, unless told so.
func (n *node) mayArm(ctx context.Context) error {
	if n.cfg.AllowUnsynced {
		return nil
	}
	synced, err := n.stores.broker.Synced(ctx)
	if err != nil {
		return err
	}
	if synced == checkout.SyncedNo {
		return errors.New("the NATS server does not sync each write to disk: set sync_interval: always, or PENSTOCK_ALLOW_UNSYNCED=true and accept that a power failure may lose orders")
	}
	return nil
}

func (n *node) startLoops() {
	n.tasks.start("sale cache", n.cache.Run)
	n.tasks.start("health", n.watch.Run)
	n.tasks.start("degradation", func(ctx context.Context) error { return n.board.Run(ctx, n.pressure) })
	if n.cfg.Has(config.Gate) {
		n.tasks.start("conductor", conductor.New(conductor.Deps{
			Sales: n.cache, Board: n.board, Desk: n.desk, Log: n.log,
			Lease: redis.NewLease(n.stores.redis, "ps:lease:conductor", n.cfg.NodeID, conductorLeaseTTL),
		}).Run)
		n.tasks.start("front", func(context.Context) error { return n.front.Serve(n.frontListener) })
	}
	if n.cfg.Has(config.Drain) {
		n.tasks.start("drain", n.drain.Run)
	}
	if n.cfg.Has(config.Drain) || n.cfg.Has(config.Console) {
		n.tasks.start("keeper", n.keeper.Run)
	}
	n.tasks.start("console", func(context.Context) error {
		if err := n.console.Serve(listener.New(n.consoleListener, listener.Options{MaxConnections: n.connections.Console, Log: n.log})); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// pressure is what moves the degradation level: how far the ledger is behind the order log. How
// long its commits take is reported by the drains.
func (n *node) pressure(ctx context.Context) (degrade.Pressure, error) {
	lag, err := n.stores.broker.Lag(ctx)
	return degrade.Pressure{LogLagSeconds: lag.OldestSeconds}, err
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
	n.stopping.Store(true) // a failed start has not been through drain
	var failed []error
	if n.front != nil {
		failed = append(failed, n.front.Shutdown(ctx))
	}
	if n.console != nil {
		failed = append(failed, n.console.Shutdown(ctx))
	}
	failed = append(failed, n.tasks.stop(ctx))
	if n.desk != nil {
		n.desk.Close(ctx)
		n.orders.Close()
	}
	if n.stores != nil {
		failed = append(failed, n.stores.close(ctx))
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
