package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const clusterPrefix = "penstock-postgres-"

// registry holds the one cluster that the tests of a process share: creating a
// cluster takes seconds, creating a database tens of milliseconds.
type registry struct {
	once   sync.Once
	server *PostgresServer
	err    error
}

// shared is the only package state here; it exists for tests alone, which have
// nowhere else to keep what outlives each of them.
var shared registry //nolint:gochecknoglobals // see above

// Database is one database of the cluster that the tests of a process share.
type Database struct {
	URL string // postgres://penstock@127.0.0.1:<port>/<database>
}

// Postgres gives an empty database of its own on a cluster that all tests of
// this process share; the database is dropped with the test. Tests that stop
// or kill the server use PostgresDedicated.
func Postgres(t testing.TB) *Database {
	t.Helper()
	cluster, err := shared.cluster()
	if err != nil {
		t.Fatal(err)
	}
	url, err := cluster.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.DropDatabase(context.Background(), url); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return &Database{URL: url}
}

// PostgresDedicated starts a cluster for this test alone, which may be stopped,
// killed, paused and started again. Its URL names the maintenance database, which
// is empty.
func PostgresDedicated(t testing.TB) *PostgresServer {
	t.Helper()
	dir, err := clusterDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := StartPostgres(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Kill() })
	return s
}

// Main runs a package's tests and then removes what they shared, for TestMain:
//
//	func TestMain(m *testing.M) { testenv.Main(m) }
//
// Without it the shared cluster still ends with the process, and its files are
// removed by the next test process that needs a cluster.
//
// The testing package exits with the result of m.Run; Main returns it as well.
func Main(m *testing.M) int {
	code := m.Run()
	shared.close()
	return code
}

func (r *registry) cluster() (*PostgresServer, error) {
	r.once.Do(func() {
		removeAbandoned(os.TempDir())
		dir, err := clusterDir()
		if err != nil {
			r.err = err
			return
		}
		r.server, r.err = StartPostgres(context.Background(), dir)
		if r.err != nil {
			_ = os.RemoveAll(dir)
		}
	})
	return r.server, r.err
}

func (r *registry) close() {
	r.once.Do(func() {}) // none is started from here on
	if r.server == nil {
		return
	}
	_ = r.server.Kill()
	_ = os.RemoveAll(r.server.dir)
}

// clusterDir makes a directory that the server's user can enter (t.TempDir is
// closed to other users), named after this process.
func clusterDir() (string, error) {
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", clusterPrefix, os.Getpid()))
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}

// removeAbandoned removes clusters of test processes that no longer exist.
func removeAbandoned(tmp string) {
	dirs, _ := filepath.Glob(filepath.Join(tmp, clusterPrefix+"*"))
	for _, dir := range dirs {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), clusterPrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err == nil && !alive(pid) {
			_ = os.RemoveAll(dir)
		}
	}
}
