package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// PgBouncerServer is a pgbouncer child in front of one database, in transaction
// mode: each transaction of a client may run on another connection to Postgres.
type PgBouncerServer struct {
	child
	URL string // postgres://penstock@127.0.0.1:<port>/<the database behind it>
}

// PgBouncer starts a pgbouncer that ends with the test. upstreamURL is the
// database behind it, as in Database.URL or PostgresServer.URL.
func PgBouncer(t testing.TB, upstreamURL string) *PgBouncerServer {
	t.Helper()
	dir, err := clusterDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := StartPgBouncer(t.Context(), dir, upstreamURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Kill() })
	return s
}

// StartPgBouncer starts a pgbouncer that keeps its files in dir and returns once
// a query passes through it. Like Postgres it refuses root: run as root, it
// becomes the user "postgres", who must be able to reach dir. It keeps no
// prepared statements of clients, as versions before 1.21 cannot, and as later
// ones do with max_prepared_statements = 0. The context bounds the start only.
func StartPgBouncer(ctx context.Context, dir, upstreamURL string) (*PgBouncerServer, error) {
	program, err := findPgBouncer()
	if err != nil {
		return nil, err
	}
	upstream, err := pgx.ParseConfig(upstreamURL)
	if err != nil {
		return nil, fmt.Errorf("start pgbouncer: %w", err)
	}
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "pgbouncer")
	if err := prepareData(data, account); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config, err := pgBouncerConfig(ctx, program, port, upstream)
	if err != nil {
		return nil, err
	}
	configPath := filepath.Join(data, "pgbouncer.ini")
	if err := os.WriteFile(configPath, []byte(config), 0o644); err != nil { // read by the server's user
		return nil, fmt.Errorf("start pgbouncer: %w", err)
	}
	s := &PgBouncerServer{URL: postgresURL(port, upstream.Database)}
	s.name, s.logPath, s.stopSignal = "pgbouncer", filepath.Join(dir, "pgbouncer.log"), syscall.SIGTERM
	s.command = func() *exec.Cmd {
		return asAccount(exec.CommandContext(context.Background(), program, configPath), data, account)
	}
	s.ready = func(ctx context.Context) error { return execSimple(ctx, s.URL, "SELECT 1") }
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// pgBouncerConfig is the text of pgbouncer.ini. auth_type any lets every client
// in as the user that the entry for the databases names.
func pgBouncerConfig(ctx context.Context, program string, port int, upstream *pgx.ConnConfig) (string, error) {
	text := fmt.Sprintf(`[databases]
* = host=%s port=%d user=%s

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 500
default_pool_size = 20
`, upstream.Host, upstream.Port, upstream.User, port)
	keepsStatements, err := pgBouncerKnowsStatements(ctx, program)
	if err != nil {
		return "", err
	}
	if keepsStatements {
		text += "max_prepared_statements = 0\n"
	}
	return text, nil
}

var pgBouncerVersion = regexp.MustCompile(`PgBouncer (\d+)\.(\d+)`)

// pgBouncerKnowsStatements tells whether the program has the setting
// max_prepared_statements (1.21 and later); earlier ones refuse to start with it.
func pgBouncerKnowsStatements(ctx context.Context, program string) (bool, error) {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return false, fmt.Errorf("pgbouncer --version: %w", err)
	}
	match := pgBouncerVersion.FindSubmatch(out)
	if match == nil {
		return false, fmt.Errorf("pgbouncer --version answered %q", out)
	}
	major, errMajor := strconv.Atoi(string(match[1]))
	minor, errMinor := strconv.Atoi(string(match[2]))
	if errMajor != nil || errMinor != nil {
		return false, fmt.Errorf("pgbouncer --version answered %q", out)
	}
	return major > 1 || minor >= 21, nil
}

// findPgBouncer looks in PATH and in Debian's /usr/sbin, which is not in the
// PATH of every user.
func findPgBouncer() (string, error) {
	path, err := findProgram("pgbouncer", "apt-get install -y pgbouncer")
	if err != nil && hasProgram("/usr/sbin", "pgbouncer") {
		return "/usr/sbin/pgbouncer", nil
	}
	return path, err
}

// execSimple runs one statement without preparing it.
func execSimple(ctx context.Context, url, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
