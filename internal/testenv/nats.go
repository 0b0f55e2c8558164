package testenv

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// NATSServer is a nats-server child with JetStream.
type NATSServer struct {
	child
	URL        string // nats://127.0.0.1:<port>
	MonitorURL string // http://127.0.0.1:<port>, the monitoring endpoint
}

// NATSOption sets one thing about a NATS server.
type NATSOption func(*natsSettings)

type natsSettings struct{ syncInterval, extra string }

// SyncInterval sets JetStream's sync_interval. The default here is "always":
// fsync before each acknowledgement; a server's own default is "2m".
func SyncInterval(value string) NATSOption {
	return func(s *natsSettings) { s.syncInterval = value }
}

// NATSConfig adds lines to the server's configuration file.
func NATSConfig(lines string) NATSOption {
	return func(s *natsSettings) { s.extra += lines + "\n" }
}

// NATS starts a nats-server that ends with the test.
func NATS(t testing.TB, opts ...NATSOption) *NATSServer {
	t.Helper()
	s, err := StartNATS(t.Context(), t.TempDir(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Kill() })
	return s
}

// StartNATS starts a nats-server that keeps its files in dir and returns once
// JetStream is ready. The context bounds the start only.
func StartNATS(ctx context.Context, dir string, opts ...NATSOption) (*NATSServer, error) {
	program, err := findNATS(ctx)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	monitorPort, err := freePort()
	if err != nil {
		return nil, err
	}
	settings := natsSettings{syncInterval: "always"}
	for _, opt := range opts {
		opt(&settings)
	}
	config := filepath.Join(dir, "nats.conf")
	text := fmt.Sprintf("listen: %q\nhttp: %q\nserver_name: \"testenv-%d\"\njetstream {\n  store_dir: %q\n  sync_interval: %s\n}\n%s",
		loopback(port), loopback(monitorPort), port, filepath.Join(dir, "jetstream"), settings.syncInterval, settings.extra)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("start nats-server: %w", err)
	}
	s := &NATSServer{URL: "nats://" + loopback(port), MonitorURL: "http://" + loopback(monitorPort)}
	s.name, s.logPath, s.stopSignal = "nats-server", filepath.Join(dir, "nats-server.log"), syscall.SIGTERM
	s.command = func() *exec.Cmd { return exec.CommandContext(context.Background(), program, "-c", config) }
	s.ready = func(ctx context.Context) error { return checkHealth(ctx, s.MonitorURL+"/healthz") }
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// checkHealth succeeds when the URL answers 200; nats-server does so once
// JetStream has recovered its streams.
func checkHealth(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", resp.Status)
	}
	return nil
}
