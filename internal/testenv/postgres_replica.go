package testenv

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// PostgresReplica starts a hot standby that follows a primary by streaming: a server that may be stopped, killed,
// paused and started again. Its URL names the maintenance database.
func PostgresReplica(t testing.TB, primary *PostgresServer) *PostgresServer {
	t.Helper()
	dir, err := clusterDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := startReplica(t.Context(), dir, primary)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Kill() })
	return s
}

func startReplica(ctx context.Context, dir string, primary *PostgresServer) (*PostgresServer, error) {
	bin, data, account, err := preparePostgres(dir)
	if err != nil {
		return nil, err
	}
	from, err := url.Parse(primary.URL)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	server, err := filepath.EvalSymlinks(filepath.Join(bin, "postgres")) // pg_basebackup is beside it
	if err != nil {
		return nil, err
	}
	cmd := asAccount(exec.CommandContext(within, filepath.Join(filepath.Dir(server), "pg_basebackup"), "-h", from.Hostname(), "-p", from.Port(),
		"-U", postgresUser, "-D", data, "--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream", "--no-sync"), data, account)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w\n%s", err, out)
	}
	return runPostgres(ctx, bin, dir, account)
}

// PauseReplay makes a replica repeat nothing of what it receives, until ResumeReplay.
func (s *PostgresServer) PauseReplay(ctx context.Context) error {
	return s.Exec(ctx, "SELECT pg_wal_replay_pause()")
}

// ResumeReplay undoes PauseReplay.
func (s *PostgresServer) ResumeReplay(ctx context.Context) error {
	return s.Exec(ctx, "SELECT pg_wal_replay_resume()")
}

// LosePrimary makes a replica receive nothing more, as when the network to its primary is cut. It answers, and does not
// know that it falls behind.
func (s *PostgresServer) LosePrimary(ctx context.Context) error {
	if err := s.Exec(ctx, "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'"); err != nil {
		return err
	}
	return s.Exec(ctx, "SELECT pg_reload_conf()")
}
