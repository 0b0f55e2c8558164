package checkout

import (
	"context"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// server is a real nats-server child that can be killed and started again on the same store.
type server struct {
	*testenv.NATSServer
	t testing.TB
}

func startServer(t testing.TB, opts ...testenv.NATSOption) *server {
	t.Helper()
	return &server{NATSServer: testenv.NATS(t, opts...), t: t}
}

// kill is SIGKILL: the server has no chance to write anything.
func (s *server) kill() {
	s.t.Helper()
	if err := s.Kill(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) restart() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Restart(ctx); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) broker(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	b, err := Connect(t.Context(), s.URL, quiet(), append([]Option{WithMonitorURL(s.MonitorURL)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBroker(b) })
	return b
}
