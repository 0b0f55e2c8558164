package checkout

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// server is a real nats-server child that can be killed and started again on the same store.
type server struct {
	t          testing.TB
	dir        string
	port, http int
	extra      string
	cmd        *exec.Cmd
}

func startServer(t testing.TB) *server { return startServerWith(t, "jetstream {store_dir: %q, sync_interval: always}") }

func startServerWith(t testing.TB, jetStream string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), port: freePort(t), http: freePort(t), extra: jetStream}
	s.start()
	t.Cleanup(func() { s.kill() })
	return s
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *server) url() string     { return fmt.Sprintf("nats://127.0.0.1:%d", s.port) }
func (s *server) monitor() string { return fmt.Sprintf("http://127.0.0.1:%d", s.http) }

func (s *server) start() {
	s.t.Helper()
	js := s.extra
	if js != "" {
		js = fmt.Sprintf(js, filepath.Join(s.dir, "store"))
	}
	conf := filepath.Join(s.dir, "nats.conf")
	text := fmt.Sprintf("listen: 127.0.0.1:%d\nhttp: 127.0.0.1:%d\n%s\n", s.port, s.http, js)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command("../bin/nats-server", "-c", conf)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, 10*time.Second, "nats-server listens", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// kill is SIGKILL: the server has no chance to write anything.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) broker(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	b, err := Connect(t.Context(), s.url(), quiet(), append([]Option{WithMonitorURL(s.monitor())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBroker(b) })
	return b
}
