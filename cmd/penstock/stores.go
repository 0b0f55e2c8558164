package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/embedded"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/redis"
)

// stores are the places where state lives: each a real server by URL, or embedded.
type stores struct {
	redis  rueidis.Client
	broker *checkout.Broker
	ledger *ledger.Ledger
	// ownRedis says that Redis is embedded: it lives and dies with this process.
	ownRedis bool
	// closers undo the opening, the last first.
	closers []func(context.Context) error
}

func openStores(ctx context.Context, cfg *config.Config, reg prometheus.Registerer, log *slog.Logger) (*stores, error) {
	s := &stores{}
	if err := s.open(ctx, cfg, reg, log); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

func (s *stores) open(ctx context.Context, cfg *config.Config, reg prometheus.Registerer, log *slog.Logger) error {
	if cfg.RedisURL == "" || cfg.NATSURL == "" || cfg.PostgresURL == "" {
		if err := s.lockDataDir(cfg.DataDir); err != nil {
			return err
		}
	}
	if err := s.openLedger(ctx, cfg, reg, log); err != nil {
		return err
	}
	if err := s.openRedis(ctx, cfg, log); err != nil {
		return err
	}
	return s.openBroker(ctx, cfg, reg, log)
}

func (s *stores) onClose(f func(context.Context) error) { s.closers = append(s.closers, f) }

// close undoes the opening, the last first, and reports everything that failed.
func (s *stores) close(ctx context.Context) error {
	var failed []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		failed = append(failed, s.closers[i](ctx))
	}
	s.closers = nil
	return errors.Join(failed...)
}

func (s *stores) lockDataDir(dir string) error {
	lock, err := embedded.Lock(dir)
	if err != nil {
		return err
	}
	s.onClose(func(context.Context) error { return lock.Unlock() })
	return nil
}

func (s *stores) openLedger(ctx context.Context, cfg *config.Config, reg prometheus.Registerer, log *slog.Logger) (err error) {
	s.ledger, err = ledger.Open(ctx, ledgerURL(cfg), log, ledger.Options{ReadURL: cfg.PostgresReadURL.Reveal(), MaxLag: cfg.PostgresReadMaxLag})
	if err != nil {
		return err
	}
	s.onClose(func(context.Context) error { return s.ledger.Close() })
	return reg.Register(ledger.NewCollector(s.ledger))
}

// ledgerURL is where the ledger is: Postgres, or the SQLite file of the data directory.
func ledgerURL(cfg *config.Config) string {
	if cfg.PostgresURL != "" {
		return cfg.PostgresURL.Reveal()
	}
	return filepath.Join(cfg.DataDir, "ledger.db")
}

func (s *stores) openRedis(ctx context.Context, cfg *config.Config, log *slog.Logger) (err error) {
	url := cfg.RedisURL.Reveal()
	if url == "" {
		engine, err := embedded.StartRedis(log)
		if err != nil {
			return err
		}
		s.onClose(func(context.Context) error { engine.Shutdown(); return nil })
		url, s.ownRedis = engine.URL(), true
	}
	s.redis, err = redis.Connect(ctx, url)
	if err != nil {
		return err
	}
	s.onClose(func(context.Context) error { s.redis.Close(); return nil })
	return nil
}

func (s *stores) openBroker(ctx context.Context, cfg *config.Config, reg prometheus.Registerer, log *slog.Logger) (err error) {
	options := []checkout.Option{
		checkout.WithMetrics(checkout.NewMetrics(reg)), checkout.WithJournalLimits(checkout.JournalLimits{MaxSaleBytes: cfg.JournalBytesPerSale}),
	}
	if cfg.NATSURL == "" {
		s.broker, err = s.embeddedBroker(ctx, cfg.DataDir, log, options)
	} else {
		options = append(options, checkout.WithMonitorURL(cfg.NATSMonitorURL.Reveal()), checkout.WithReplicas(cfg.OrderLogReplicas))
		s.broker, err = checkout.Connect(ctx, cfg.NATSURL.Reveal(), log, options...)
	}
	if err != nil {
		return err
	}
	s.onClose(s.broker.Close)
	return nil
}

func (s *stores) embeddedBroker(ctx context.Context, dir string, log *slog.Logger, options []checkout.Option) (*checkout.Broker, error) {
	server, err := embedded.StartNATS(dir, log)
	if err != nil {
		return nil, err
	}
	s.onClose(func(context.Context) error { server.Shutdown(); return nil })
	conn, err := server.Connect()
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	return checkout.ConnectTo(ctx, conn, log, append(options, checkout.WithSynced(checkout.SyncedYes))...)
}
