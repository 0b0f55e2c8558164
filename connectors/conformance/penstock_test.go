//go:build connectors

package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	adminKey     = "the-admin-key-of-the-tests-0123456789"
	firstSecret  = "the-first-secret-0123456789abcdef"
	secondSecret = "the-second-secret-0123456789abcde"
	startLimit   = 30 * time.Second
)

// process is a child that ends with the test. What it wrote is told when the test failed.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	log *os.File
}

func start(t testing.TB, dir string, env []string, command ...string) *process {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(command[0], command[1:]...), log: log}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = dir, append(os.Environ(), env...), log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop(syscall.SIGKILL)
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("log of %v:\n%s", command, text)
		}
	})
	return p
}

func (p *process) stop(signal syscall.Signal) {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(signal)
	_ = p.cmd.Wait() // how it ended does not matter
}

// room is a running penstock with everything embedded.
type room struct {
	t            testing.TB
	binary       string
	url, console string
	env          []string
	process      *process
}

func openRoom(t testing.TB) *room {
	t.Helper()
	front, console := testenv.FreePort(t), testenv.FreePort(t)
	r := &room{
		t: t, binary: os.Getenv("PENSTOCK_TEST_BINARY"),
		url: fmt.Sprintf("http://127.0.0.1:%d", front), console: fmt.Sprintf("http://127.0.0.1:%d", console),
	}
	if r.binary == "" {
		t.Fatal("PENSTOCK_TEST_BINARY names no program; use make test-connectors")
	}
	r.env = []string{
		fmt.Sprintf("PENSTOCK_LISTEN=127.0.0.1:%d", front), fmt.Sprintf("PENSTOCK_CONSOLE_LISTEN=127.0.0.1:%d", console),
		"PENSTOCK_DATA_DIR=" + t.TempDir(), "PENSTOCK_ADMIN_KEY=" + adminKey,
		"PENSTOCK_TRUSTED_PROXIES=127.0.0.0/8", // the shop, which tells who its visitor is
	}
	return r
}

// serve starts it with these settings and returns when it is ready.
func (r *room) serve(settings ...string) {
	r.t.Helper()
	r.process = start(r.t, "", append(r.env, settings...), r.binary, "serve")
	testenv.Eventually(r.t, startLimit, "penstock is ready", func() bool { return answers(r.url+"/readyz", http.StatusOK) })
}

// close stops it as an operator would.
func (r *room) close() { r.process.stop(syscall.SIGTERM) }

func (r *room) admin(method, path string, body any) {
	r.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		r.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.console+"/admin/v1/sales"+path, bytes.NewReader(data))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+adminKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if text, _ := io.ReadAll(response.Body); response.StatusCode >= http.StatusBadRequest {
		r.t.Fatalf("%s %s: %d %s", method, path, response.StatusCode, text)
	}
}

// newSale makes a sale that is live and sends admitted visitors to the target.
func (r *room) newSale(id, target string) {
	r.t.Helper()
	now := time.Now().UTC()
	r.admin(http.MethodPost, "", map[string]any{
		"id": id, "name": id, "starts_at": now.Add(-time.Second), "ends_at": now.Add(time.Hour), "target_url": target,
		"admission": map[string]any{"rate_per_minute": 60000, "max_active": 10000, "pass_ttl": "10m"},
		"items":     []any{map[string]any{"sku": "A", "stock": 100}},
	})
	testenv.Eventually(r.t, startLimit, "the front knows the sale", func() bool { return answers(r.url+"/v1/sales/"+id, http.StatusOK) })
}

func answers(url string, status int) bool {
	client := &http.Client{Timeout: time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(url)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == status
}
