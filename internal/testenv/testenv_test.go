package testenv

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const helperVariable = "PENSTOCK_TESTENV_HELPER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVariable); dir != "" {
		runHelper(dir)
		return
	}
	Main(m)
}

// redisCommand sends one inline command and returns the first line of the answer.
func redisCommand(t *testing.T, addr, command string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func TestRedisKeepsItsDataOnlyWhenAsked(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts []RedisOption
		want string
	}{
		{"append-only", []RedisOption{AppendFsync("always")}, ":1"},
		{"nothing kept", nil, ":0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := Redis(t, tc.opts...)
			if got := redisCommand(t, s.Addr, "SET k v"); got != "+OK" {
				t.Fatalf("SET answered %q", got)
			}
			before := s.PID()
			if err := s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s.PID() == before || s.PID() == 0 {
				t.Errorf("pid %d after the restart, %d before", s.PID(), before)
			}
			if got := redisCommand(t, s.Addr, "EXISTS k"); got != tc.want {
				t.Errorf("after kill and restart EXISTS answered %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPausedRedisKeepsConnectionsAndAnswersNothing(t *testing.T) {
	s := Redis(t)
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := pingRedis(ctx, s.Addr); err == nil {
		t.Error("a paused server answered")
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := pingRedis(t.Context(), s.Addr); err != nil {
		t.Errorf("after Resume: %v", err)
	}
}

func TestNATSHasJetStreamThatSyncsAlways(t *testing.T) {
	s := NATS(t)
	if err := checkHealth(t.Context(), s.MonitorURL+"/healthz?js-enabled-only=true"); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(s.command().Args[2])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(config), "sync_interval: always") {
		t.Errorf("configuration lacks sync_interval: always:\n%s", config)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Error(err)
	}
}

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var value string
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestPostgresGivesEachTestItsOwnDatabase(t *testing.T) {
	first, second := Postgres(t), Postgres(t)
	query(t, first.URL, "WITH made AS (SELECT 1) SELECT 'x'")
	if a, b := query(t, first.URL, "SELECT current_database()"), query(t, second.URL, "SELECT current_database()"); a == b {
		t.Errorf("both databases are %q", a)
	}
	if got := query(t, first.URL, "SHOW fsync"); got != "on" {
		t.Errorf("fsync is %q", got)
	}
}

func TestPostgresSurvivesKillAndStop(t *testing.T) {
	s := PostgresDedicated(t)
	if len(s.PIDs()) < 3 {
		t.Errorf("the process tree is %v, want the server and its workers", s.PIDs())
	}
	for _, end := range []func() error{s.Kill, s.Stop} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := pgx.Connect(t.Context(), s.URL); err == nil {
			t.Fatal("a stopped server took a connection")
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := query(t, s.URL, "SELECT 'up'"); got != "up" {
			t.Errorf("answered %q", got)
		}
	}
}

func TestCPUTimeGrowsWithWork(t *testing.T) {
	s := Redis(t)
	before, err := s.CPUTime()
	if err != nil {
		t.Fatal(err)
	}
	Eventually(t, 10*time.Second, "CPU time to grow", func() bool {
		redisCommand(t, s.Addr, `EVAL "for i=1,3000000 do end" 0`)
		after, err := s.CPUTime()
		return err == nil && after > before
	})
	if _, err := CPUTime(1 << 30); err == nil {
		t.Error("no error for a process that does not exist")
	}
}

func TestParseStatReadsNamesWithBlanksAndParentheses(t *testing.T) {
	got, err := parseStat([]byte("42 (a) b) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 9 9 9"))
	if err != nil {
		t.Fatal(err)
	}
	want := procStat{pid: 42, parent: 7, state: 'S', self: 2 * time.Second, reaped: 500 * time.Millisecond}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMissingProgramSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := StartRedis(t.Context(), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "apt-get install -y redis-server") {
		t.Errorf("got %v", err)
	}
}

func TestFailedStartShowsTheServersLog(t *testing.T) {
	_, err := StartRedis(t.Context(), t.TempDir(), RedisArg("no-such-directive", "1"))
	if err == nil || !strings.Contains(err.Error(), "no-such-directive") {
		t.Errorf("got %v", err)
	}
}

func TestRemoveAbandonedSparesLiveOwners(t *testing.T) {
	tmp := t.TempDir()
	mine := filepath.Join(tmp, clusterPrefix+strconv.Itoa(os.Getpid())+"-1")
	gone := filepath.Join(tmp, clusterPrefix+"999999999-1")
	for _, dir := range []string{mine, gone} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	removeAbandoned(tmp)
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("removed the directory of a live process: %v", err)
	}
	if _, err := os.Stat(gone); err == nil {
		t.Error("kept the directory of a process that is gone")
	}
}

// runHelper is the process that TestChildrenDieWithTheirParent kills: it starts
// one of each, prints all process ids, or an error, and waits.
func runHelper(dir string) {
	pids, err := startOneOfEach(dir)
	if err != nil {
		fmt.Fprintln(os.Stdout, err)
		return
	}
	fmt.Fprintln(os.Stdout, strings.Trim(fmt.Sprint(pids), "[]"))
	select {}
}

func startOneOfEach(dir string) ([]int, error) {
	ctx := context.Background()
	redis, err := StartRedis(ctx, dir)
	if err != nil {
		return nil, err
	}
	nats, err := StartNATS(ctx, dir)
	if err != nil {
		return nil, err
	}
	postgres, err := StartPostgres(ctx, dir)
	if err != nil {
		return nil, err
	}
	return slices.Concat(redis.PIDs(), nats.PIDs(), postgres.PIDs()), nil
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	dir, err := clusterDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatalf("the helper failed: %s", line)
		}
		pids = append(pids, pid)
	}
	if len(pids) < 5 {
		t.Fatalf("the helper started %v only", pids)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		Eventually(t, 10*time.Second, fmt.Sprintf("process %d to end", pid), func() bool { return !alive(pid) })
	}
}
