package testenv

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const postgresUser = "penstock"

// PostgresServer is a PostgreSQL cluster run as a child, with fsync on.
type PostgresServer struct {
	child
	URL string // postgres://penstock@127.0.0.1:<port>/postgres, the maintenance database
	dir string
}

// StartPostgres creates a cluster in dir, starts it and returns once it
// answers. The server refuses root: run as root, it becomes the user
// "postgres", who must be able to reach dir. The context bounds the start only.
func StartPostgres(ctx context.Context, dir string) (*PostgresServer, error) {
	bin, data, account, err := preparePostgres(dir)
	if err != nil {
		return nil, err
	}
	if err := initCluster(ctx, bin, data, account); err != nil {
		return nil, err
	}
	return runPostgres(ctx, bin, dir, account)
}

// preparePostgres finds the programs and the account that they run as, and makes dir/postgres for the data.
func preparePostgres(dir string) (bin, data string, account *syscall.Credential, err error) {
	if bin, err = findPostgres(); err != nil {
		return "", "", nil, err
	}
	if account, err = serverAccount(); err != nil {
		return "", "", nil, err
	}
	data = filepath.Join(dir, "postgres")
	return bin, data, account, prepareData(data, account)
}

// runPostgres starts the cluster whose data are in dir/postgres.
func runPostgres(ctx context.Context, bin, dir string, account *syscall.Credential) (*PostgresServer, error) {
	data := filepath.Join(dir, "postgres")
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{dir: dir, URL: postgresURL(port, "postgres")}
	s.name, s.logPath, s.stopSignal = "postgres", filepath.Join(dir, "postgres.log"), syscall.SIGINT // fast shutdown
	s.command = func() *exec.Cmd {
		return asAccount(exec.CommandContext(context.Background(), filepath.Join(bin, "postgres"), postgresArgs(data, port)...), data, account)
	}
	s.ready = func(ctx context.Context) error { return s.Exec(ctx, "SELECT 1") }
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Dir is where the server keeps its files and its log.
func (s *PostgresServer) Dir() string { return s.dir }

// postgresArgs keeps durability as in production (fsync and synchronous_commit
// are on by default), and everything the server makes inside its directory:
// after a SIGKILL nothing of it stays behind in /dev/shm.
func postgresArgs(data string, port int) []string {
	args := []string{"-D", data, "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-k", socketDir(data)}
	for _, setting := range []string{
		"fsync=on", "synchronous_commit=on", "max_connections=200", "shared_buffers=128MB",
		"max_wal_size=2GB", "dynamic_shared_memory_type=mmap", "timezone=UTC",
	} {
		args = append(args, "-c", setting)
	}
	return args
}

// socketDir is the cluster's own directory, or none (TCP only) when its path
// is longer than a socket's address may be.
func socketDir(data string) string {
	const longestSocketDir = 80
	if len(data) > longestSocketDir {
		return ""
	}
	return data
}

// CreateDatabase makes an empty database and returns its URL. URL itself
// remains the cluster's maintenance database.
func (s *PostgresServer) CreateDatabase(ctx context.Context) (string, error) {
	name := "t_" + strings.ToLower(rand.Text())
	if err := s.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", fmt.Errorf("create database: %w", err)
	}
	return strings.Replace(s.URL, "/postgres?", "/"+name+"?", 1), nil
}

// DropDatabase drops a database that CreateDatabase made, whoever is connected.
func (s *PostgresServer) DropDatabase(ctx context.Context, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	return s.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{config.Database}.Sanitize()+" WITH (FORCE)")
}

// Exec runs one statement in the maintenance database.
func (s *PostgresServer) Exec(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func postgresURL(port int, database string) string {
	return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", postgresUser, loopback(port), database)
}

// serverAccount is the user the server runs as: nil for the current one.
func serverAccount() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("PostgreSQL refuses to run as root and there is no user \"postgres\"; install it: apt-get install -y postgresql")
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// prepareData makes the data directory, owned by the server's user, and checks
// that this user may pass through every directory above it.
func prepareData(data string, account *syscall.Credential) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	if account == nil {
		return nil
	}
	if err := os.Chown(data, int(account.Uid), int(account.Gid)); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	for dir := filepath.Dir(data); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("start postgres: %w", err)
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("start postgres: its user cannot enter %s; chmod o+x it or choose another directory", dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// initCluster fills an empty data directory. Only the creation skips fsync.
func initCluster(ctx context.Context, bin, data string, account *syscall.Credential) error {
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil // a cluster made earlier: use it again
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := asAccount(exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", postgresUser,
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"), data, account)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

func asAccount(cmd *exec.Cmd, dir string, account *syscall.Credential) *exec.Cmd {
	cmd.Dir = dir
	if account != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	}
	return cmd
}
