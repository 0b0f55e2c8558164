package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	natsStartWithin   = 30 * time.Second // opening a store of many GiB after a crash takes seconds
	maxStoreBytes     = 4 << 30
	maxMemoryBytes    = 64 << 20
	maxPayloadBytes   = 1 << 20
	natsStoreDir      = "nats"
	natsConnectWithin = 5 * time.Second
)

// NATS is an in-process NATS server without any listener. JetStream stores under the data
// directory and fsyncs each message before it acknowledges it.
type NATS struct {
	server *server.Server
	lock   *DirLock
	once   sync.Once
}

// StartNATS opens (or creates) the store <dir>/nats and returns when JetStream is ready.
// The store is taken by flock: a second process gets ErrLocked.
func StartNATS(dir string, log *slog.Logger) (*NATS, error) {
	store := filepath.Join(dir, natsStoreDir)
	lock, err := Lock(store)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	n, err := startNATS(store, log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded nats: %w", err), lock.Unlock())
	}
	n.lock = lock
	return n, nil
}

func startNATS(store string, log *slog.Logger) (*NATS, error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "penstock-embedded", DontListen: true, NoLog: true, NoSigs: true,
		JetStream: true, StoreDir: store, SyncAlways: true,
		JetStreamMaxStore: maxStoreBytes, JetStreamMaxMemory: maxMemoryBytes,
		MaxPayload: maxPayloadBytes, DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, err
	}
	bridge := &natsLogger{log: log.With("part", "nats")}
	s.SetLoggerV2(bridge, false, false, false)
	s.Start()
	if !ready(s, bridge) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("JetStream did not start: %s", bridge.lastError())
	}
	return &NATS{server: s}, nil
}

// ready waits until the server is up, or has said that it cannot be.
func ready(s *server.Server, log *natsLogger) bool {
	const step = 50 * time.Millisecond
	for waited := time.Duration(0); waited < natsStartWithin; waited += step {
		if s.ReadyForConnections(step) {
			return s.JetStreamEnabled()
		}
		if log.gaveUp() {
			return false
		}
	}
	return false
}

// Connect opens an in-process connection, for checkout.ConnectTo. The options come after its own.
func (n *NATS) Connect(opts ...nats.Option) (*nats.Conn, error) {
	own := []nats.Option{nats.InProcessServer(n.server), nats.Name("penstock"), nats.Timeout(natsConnectWithin), nats.MaxReconnects(-1)}
	nc, err := nats.Connect("", append(own, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	return nc, nil
}

// Server is the running server, for its monitoring functions.
func (n *NATS) Server() *server.Server { return n.server }

// Shutdown stops the server, returns when its store is closed, and gives the directory back.
// Connections should be drained before. It may be called again.
func (n *NATS) Shutdown() {
	n.once.Do(func() {
		n.server.Shutdown()
		n.server.WaitForShutdown()
		_ = n.lock.Unlock()
	})
}

// natsLogger hands the server's log to slog. What the server calls a notice is detail for us.
type natsLogger struct {
	log *slog.Logger

	mu    sync.Mutex
	last  string
	fatal bool
}

// Noticef logs at level debug.
func (l *natsLogger) Noticef(format string, v ...any) {
	l.log.Debug("nats-server says", "text", fmt.Sprintf(format, v...))
}

// Debugf logs at level debug.
func (l *natsLogger) Debugf(format string, v ...any) {
	l.log.Debug("nats-server says", "text", fmt.Sprintf(format, v...))
}

// Tracef logs at level debug.
func (l *natsLogger) Tracef(format string, v ...any) {
	l.log.Debug("nats-server says", "text", fmt.Sprintf(format, v...))
}

// Warnf logs at level warn.
func (l *natsLogger) Warnf(format string, v ...any) {
	l.log.Warn("nats-server says", "text", fmt.Sprintf(format, v...))
}

// Errorf logs at level error.
func (l *natsLogger) Errorf(format string, v ...any) { l.keep(fmt.Sprintf(format, v...)) }

// Fatalf is an error like others: the server's own program exits here, ours decides by itself.
func (l *natsLogger) Fatalf(format string, v ...any) {
	l.keep(fmt.Sprintf(format, v...))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fatal = true
}

func (l *natsLogger) gaveUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *natsLogger) keep(line string) {
	l.log.Error("nats-server reports an error", "text", line)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = line
}

func (l *natsLogger) lastError() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == "" {
		return "no reason given"
	}
	return strings.TrimSpace(l.last)
}
