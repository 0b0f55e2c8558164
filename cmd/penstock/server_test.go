package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// binaryDir is where the tests of this process build the program.
var binaryDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "penstock-binary-")
	if err != nil {
		panic(err)
	}
	binaryDir = dir
	defer func() { _ = os.RemoveAll(dir) }()
	testenv.Main(m)
}

const testAdminKey = "the-admin-key-of-the-tests-0123456789"

// server is a penstock process of its own, which can be killed and started again.
type server struct {
	t              testing.TB
	binary         string
	env            []string
	front, console string
	readyURL       string // answers 200 once the process is ready
	cmd            *exec.Cmd
	ended          chan struct{}
	log            *os.File
	descriptors    int // the limit of open files; 0 means that of the tests
}

// builtBinary builds the program once for the tests of this process.
var builtBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, "penstock")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// binaryPath is the program under test: the one that PENSTOCK_TEST_BINARY names, or the one built
// from this folder.
func binaryPath(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("PENSTOCK_TEST_BINARY"); path != "" {
		return path
	}
	path, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// backends are the two ways to run: everything embedded, and everything real.
func backends() map[string]func(t testing.TB) []string {
	return map[string]func(t testing.TB) []string{
		"embedded": func(testing.TB) []string { return nil },
		"real": func(t testing.TB) []string {
			return append(realOrderLog(t),
				"PENSTOCK_REDIS_URL="+testenv.Redis(t, testenv.AppendFsync("everysec")).URL,
				"PENSTOCK_POSTGRES_URL="+testenv.Postgres(t).URL)
		},
	}
}

// newServer prepares a server; extra are environment variables.
func newServer(t testing.TB, extra ...string) *server {
	t.Helper()
	front, console := testenv.FreePort(t), testenv.FreePort(t)
	s := &server{
		t: t, binary: binaryPath(t),
		front: fmt.Sprintf("http://127.0.0.1:%d", front), console: fmt.Sprintf("http://127.0.0.1:%d", console),
	}
	s.readyURL = s.front + "/readyz"
	s.env = append(os.Environ(),
		fmt.Sprintf("PENSTOCK_LISTEN=127.0.0.1:%d", front), fmt.Sprintf("PENSTOCK_CONSOLE_LISTEN=127.0.0.1:%d", console),
		"PENSTOCK_DATA_DIR="+t.TempDir(), "PENSTOCK_ADMIN_KEY="+testAdminKey, "PENSTOCK_CONSOLE_URL="+s.console)
	s.env = append(s.env, extra...)
	log, err := os.Create(filepath.Join(t.TempDir(), "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	s.log = log
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("log of the server:\n%s", text)
		}
	})
	return s
}

// start runs `penstock serve` and returns when it is ready.
func (s *server) start(args ...string) {
	s.t.Helper()
	s.launch(args...)
	testenv.Eventually(s.t, 30*time.Second, "the server is ready", s.isReady)
}

func (s *server) isReady() bool {
	a, err := send(http.DefaultClient, call{method: "GET", url: s.readyURL})
	return err == nil && a.status == http.StatusOK
}

// launch runs `penstock serve` and does not wait.
func (s *server) launch(args ...string) {
	s.t.Helper()
	s.cmd = exec.Command(s.binary, append([]string{"serve"}, args...)...)
	if s.descriptors > 0 {
		limited := []string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, s.descriptors)}
		s.cmd = exec.Command("sh", append(limited, s.cmd.Args...)...)
	}
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = s.env, s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan struct{})
	cmd, ended := s.cmd, s.ended
	go func() {
		_ = cmd.Wait() // how it ended is read from ProcessState
		close(ended)
	}()
}

// hasEnded tells whether the process ended by itself since it was launched.
func (s *server) hasEnded() bool {
	select {
	case <-s.ended:
		return s.cmd != nil
	default:
		return false
	}
}

// kill is kill -9.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// terminate sends SIGTERM and returns the exit code.
func (s *server) terminate() int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		s.t.Fatal("the server did not stop within 30 s of SIGTERM")
	}
	code := s.cmd.ProcessState.ExitCode()
	s.cmd = nil
	return code
}

// command runs another subcommand against the server and returns its output and exit code.
func (s *server) command(args ...string) (string, int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary, args...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		s.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// admin sends an admin request with a body that may be nil.
func (s *server) admin(status int, method, path string, body any) answer {
	s.t.Helper()
	return must(s.t, status, call{
		method: method, url: s.console + "/admin/v1" + path, body: body,
		header: map[string]string{"Authorization": "Bearer " + testAdminKey},
	})
}

// createSale creates a sale that is live now, changed by the members given, and waits until the
// front knows it.
func (s *server) createSale(id string, stock int, members map[string]any) {
	s.t.Helper()
	now := time.Now().UTC()
	doc := map[string]any{
		"id": id, "name": id, "starts_at": now.Add(-time.Second), "ends_at": now.Add(time.Hour),
		// The buyers of most tests buy several times with one pass.
		"admission": map[string]any{"rate_per_minute": 60000, "max_active": 10000, "release_on_order": false},
		"items":     []any{map[string]any{"sku": "A", "stock": stock}, map[string]any{"sku": "B", "stock": stock}},
	}
	for name, value := range members {
		doc[name] = value
	}
	s.admin(http.StatusCreated, "POST", "/sales", doc)
	s.awaitSale(id)
}

func (s *server) awaitSale(id string) {
	s.t.Helper()
	testenv.Eventually(s.t, 20*time.Second, "the front knows the sale "+id, func() bool {
		a, err := send(http.DefaultClient, call{method: "GET", url: s.front + "/v1/sales/" + id})
		return err == nil && a.status == http.StatusOK
	})
}

// verify runs `penstock verify` and fails the test unless every invariant holds.
func (s *server) verify() {
	s.t.Helper()
	out, code := s.command("verify")
	if code != 0 || !strings.Contains(out, "every invariant holds") {
		s.t.Fatalf("verify: exit %d\n%s", code, out)
	}
}
