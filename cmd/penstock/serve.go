package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/telemetry"
)

type serveCommand struct {
	config.Config
}

// Run serves until ctx ends, then finishes what is under way.
func (c *serveCommand) Run(ctx context.Context, out terminal) error {
	log, err := telemetry.NewLogger(out.stderr, c.LogFormat, c.LogLevel)
	if err != nil {
		return usageError{err.Error()}
	}
	node, err := start(ctx, &c.Config, log)
	if err != nil {
		return err
	}
	node.banner(out)
	failure := node.wait(ctx)
	if failure == nil {
		node.drainTraffic(c.DrainDelay)
	}
	log.Info("stopping: finishing what is under way", "within", c.ShutdownTimeout)
	stopping, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	err = errors.Join(failure, node.stop(stopping))
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// banner tells a person where everything is.
func (n *node) banner(out terminal) {
	front, ops := n.frontURL(), n.consoleURL()
	if front != "" {
		out.printf("\n  Penstock is up.\n\n")
		if n.cfg.Demo {
			out.printf("  Demo shop     %s/demo\n", front)
			out.printf("  Waiting room  %s/sales/%s\n", front, demoSale)
		}
		out.printf("  Front         %s\n", front)
	}
	out.printf("  Console       %s   (metrics: %s/metrics)\n", ops, ops)
	if n.adminKeyGenerated {
		out.printf("  Admin key     %s\n", n.adminKey.Reveal())
	}
	out.printf("\n  Stop with Ctrl-C.\n\n")
}

// logFields names the parts that a node runs on, without passwords.
func logFields(cfg *config.Config) []any {
	return []any{
		slog.Any("roles", cfg.Roles),
		slog.String("redis", orEmbedded(cfg.RedisURL)),
		slog.String("nats", orEmbedded(cfg.NATSURL)),
		slog.String("ledger", orEmbedded(cfg.PostgresURL)),
		slog.Int64("journal_bytes_per_sale", cfg.JournalBytesPerSale),
	}
}

func orEmbedded(u config.URL) string {
	if u == "" {
		return "embedded"
	}
	return u.String()
}
