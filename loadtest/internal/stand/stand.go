// Package stand starts a whole Penstock for a load test, with everything it
// stands on: embedded in the one process, or on real Redis, Postgres and NATS
// children. Everything listens on free loopback ports, keeps its files in one
// directory, and ends with the program that started it.
package stand

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/penstock/penstock/internal/testenv"
)

// Backend says what a stand's state lives in.
type Backend string

// The two backends.
const (
	Embedded Backend = "embedded" // all in the process of penstock
	Real     Backend = "real"     // redis-server, postgres and nats-server
)

// ParseBackend reads a backend's name.
func ParseBackend(name string) (Backend, error) {
	switch b := Backend(name); b {
	case Embedded, Real:
		return b, nil
	default:
		return "", fmt.Errorf("backend %q: want embedded or real", name)
	}
}

// Options say what stand to start.
type Options struct {
	Backend     Backend
	AppendFsync string // of the real Redis: always, everysec (the default) or no
	Binary      string // penstock
	Dir         string // for files and logs; the servers' own users must be able to enter it
	// Settings are more settings of Penstock, as variables of the environment: NAME=value.
	Settings []string
}

// Stand is a running Penstock and its servers.
type Stand struct {
	FrontURL   string
	ConsoleURL string
	AdminKey   string

	Penstock *Process
	Redis    *testenv.RedisServer    // nil when embedded
	NATS     *testenv.NATSServer     // nil when embedded
	Postgres *testenv.PostgresServer // nil when embedded
	// PostgresURL is the ledger's database; "" when embedded.
	PostgresURL string
}

// Start starts a stand and returns once it is ready. The context bounds the
// start only. What was started before a failure is stopped again.
func Start(ctx context.Context, opts Options) (s *Stand, err error) {
	s = &Stand{AdminKey: rand.Text()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
			s = nil
		}
	}()
	if opts.Backend == Real {
		if err := s.startServers(ctx, opts); err != nil {
			return s, err
		}
	}
	return s, s.startPenstock(ctx, opts)
}

func (s *Stand) startServers(ctx context.Context, opts Options) (err error) {
	dirs, err := subdirectories(opts.Dir, "redis", "nats", "pg")
	if err != nil {
		return err
	}
	policy := opts.AppendFsync
	if policy == "" {
		policy = "everysec"
	}
	if s.Redis, err = testenv.StartRedis(ctx, dirs[0], testenv.AppendFsync(policy)); err != nil {
		return err
	}
	if s.NATS, err = testenv.StartNATS(ctx, dirs[1]); err != nil {
		return err
	}
	if s.Postgres, err = testenv.StartPostgres(ctx, dirs[2]); err != nil {
		return err
	}
	s.PostgresURL, err = s.Postgres.CreateDatabase(ctx)
	return err
}

func subdirectories(parent string, names ...string) ([]string, error) {
	dirs := make([]string, len(names))
	for i, name := range names {
		dirs[i] = filepath.Join(parent, name)
		if err := os.MkdirAll(dirs[i], 0o755); err != nil { //nolint:gosec // Postgres runs as a user of its own
			return nil, err
		}
	}
	return dirs, nil
}

func (s *Stand) startPenstock(ctx context.Context, opts Options) error {
	front, err := FreeAddress()
	if err != nil {
		return err
	}
	console, err := FreeAddress()
	if err != nil {
		return err
	}
	s.FrontURL, s.ConsoleURL = "http://"+front, "http://"+console
	env := append(cleanEnvironment(),
		"PENSTOCK_LISTEN="+front, "PENSTOCK_CONSOLE_LISTEN="+console,
		"PENSTOCK_DATA_DIR="+filepath.Join(opts.Dir, "data"),
		"PENSTOCK_ADMIN_KEY="+s.AdminKey, "PENSTOCK_SECRET="+rand.Text()+rand.Text(),
		"PENSTOCK_LOG_LEVEL=warn",
	)
	if opts.Backend == Real {
		env = append(env, "PENSTOCK_REDIS_URL="+s.Redis.URL, "PENSTOCK_NATS_URL="+s.NATS.URL,
			"PENSTOCK_NATS_MONITOR_URL="+s.NATS.MonitorURL, "PENSTOCK_POSTGRES_URL="+s.PostgresURL)
	}
	env = append(env, opts.Settings...)
	s.Penstock = &Process{
		Name: "penstock", Program: opts.Binary, Args: []string{"serve"}, Env: env,
		LogPath: filepath.Join(opts.Dir, "penstock.log"),
		Ready:   func(ctx context.Context) error { return AnswersOK(ctx, s.FrontURL+"/readyz") },
	}
	return s.Penstock.Start(ctx)
}

// Environment is what clients of the stand need: the console's address and key.
func (s *Stand) Environment() []string {
	return []string{"PENSTOCK_CONSOLE_URL=" + s.ConsoleURL, "PENSTOCK_ADMIN_KEY=" + s.AdminKey}
}

// Stop ends Penstock first and its servers after it.
func (s *Stand) Stop() error {
	var failed []error
	if s.Penstock != nil {
		failed = append(failed, s.Penstock.Stop())
	}
	if s.NATS != nil {
		failed = append(failed, s.NATS.Stop())
	}
	if s.Redis != nil {
		failed = append(failed, s.Redis.Stop())
	}
	if s.Postgres != nil {
		failed = append(failed, s.Postgres.Stop())
	}
	return errors.Join(failed...)
}
