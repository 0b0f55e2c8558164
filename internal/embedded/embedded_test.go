package embedded_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/penstock/penstock/internal/embedded"
	"github.com/penstock/penstock/internal/testenv"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func dial(t *testing.T, url string) rueidis.Client {
	t.Helper()
	opt, err := rueidis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	opt.DisableCache, opt.ForceSingleClient = true, true
	c, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func startRedis(t *testing.T) *embedded.Redis {
	t.Helper()
	r, err := embedded.StartRedis(quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Shutdown)
	return r
}

func TestRedisRefusesWhoDoesNotKnowThePassword(t *testing.T) {
	r := startRedis(t)
	if !strings.HasPrefix(r.Addr(), "127.0.0.1:") {
		t.Fatalf("listens on %s, want loopback only", r.Addr())
	}
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n"))
	buf := make([]byte, 256)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, _ := conn.Read(buf)
	if reply := string(buf[:n]); strings.Contains(reply, "OK") || reply == "" {
		t.Fatalf("a stranger's SET was answered %q", reply)
	}
	c := dial(t, r.URL())
	if err := c.Do(context.Background(), c.B().Set().Key("a").Value("c").Build()).Error(); err != nil {
		t.Fatalf("with the password: %v", err)
	}
}

func TestRedisTTLsRunAndItsClockStaysTrue(t *testing.T) {
	r := startRedis(t)
	c := dial(t, r.URL())
	ctx := context.Background()
	if err := c.Do(ctx, c.B().Set().Key("short").Value("x").PxMilliseconds(300).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(ctx, c.B().Set().Key("long").Value("x").ExSeconds(3600).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 10*time.Second, "a TTL of 300 ms to run out", func() bool {
		n, err := c.Do(ctx, c.B().Exists().Key("short").Build()).AsInt64()
		return err == nil && n == 0
	})
	left, err := c.Do(ctx, c.B().Pttl().Key("long").Build()).AsInt64()
	if err != nil || left < 3_500_000 || left > 3_600_000 {
		t.Fatalf("the TTL of an hour has %d ms left (%v)", left, err)
	}
	parts, err := c.Do(ctx, c.B().Time().Build()).AsIntSlice()
	if err != nil {
		t.Fatal(err)
	}
	if off := time.Since(time.Unix(parts[0], parts[1]*1000)); off > time.Second || off < -time.Second {
		t.Fatalf("TIME is off by %v", off)
	}
}

func startNATSIn(t *testing.T, dir string) *embedded.NATS {
	t.Helper()
	n, err := embedded.StartNATS(dir, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Shutdown)
	return n
}

func TestNATSKeepsItsStreamsOverARestart(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	first := startNATSIn(t, dir)
	publish(ctx, t, first)
	first.Shutdown()

	second := startNATSIn(t, dir)
	nc, js := stream(t, second)
	defer nc.Close()
	s, err := js.Stream(ctx, "S")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := s.GetMsg(ctx, 1)
	if err != nil || string(msg.Data) != "hello" {
		t.Fatalf("after a restart: %v %v", msg, err)
	}
}

func stream(t *testing.T, n *embedded.NATS) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := n.Connect()
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

func publish(ctx context.Context, t *testing.T, n *embedded.NATS) {
	t.Helper()
	nc, js := stream(t, n)
	defer nc.Close()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "s", []byte("hello")); err != nil {
		t.Fatal(err)
	}
}

func TestNATSListensNowhereAndSyncsEveryWrite(t *testing.T) {
	n := startNATSIn(t, t.TempDir())
	if a := n.Server().Addr(); a != nil {
		t.Fatalf("listens on %v", a)
	}
	v, err := n.Server().Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg := v.JetStream.Config; cfg == nil || !cfg.SyncAlways {
		t.Fatalf("JetStream config %+v, want sync_always", cfg)
	}
}

func TestASecondProcessIsLockedOut(t *testing.T) {
	if dir := os.Getenv("PENSTOCK_TEST_LOCK_DIR"); dir != "" { // we are the second process
		_, err := embedded.StartNATS(dir, quiet())
		if !errors.Is(err, embedded.ErrLocked) {
			t.Fatalf("got %v, want embedded.ErrLocked", err)
		}
		t.Log("LOCKED OUT:", err)
		return
	}
	dir := t.TempDir()
	n := startNATSIn(t, dir)
	if _, err := embedded.StartNATS(dir, quiet()); !errors.Is(err, embedded.ErrLocked) {
		t.Fatalf("twice in one process: got %v, want embedded.ErrLocked", err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestASecondProcessIsLockedOut$", "-test.v")
	child.Env = append(os.Environ(), "PENSTOCK_TEST_LOCK_DIR="+dir)
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "LOCKED OUT") {
		t.Fatalf("child: %v\n%s", err, out)
	}
	n.Shutdown()
	startNATSIn(t, dir).Shutdown() // free again
}

func TestAStoreThatCannotOpenIsAnErrorNotAnExit(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(dir+"/nats", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/nats/jetstream", []byte("a file in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := embedded.StartNATS(dir, quiet())
	if err == nil {
		n.Shutdown()
		t.Fatal("started on a store that cannot open")
	}
	if !strings.Contains(err.Error(), "embedded nats: JetStream did not start: ") {
		t.Fatalf("unclear: %v", err)
	}
	startNATSIn(t, t.TempDir())
}

func TestShutdownLeavesNoGoroutineBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	n := startNATSIn(t, t.TempDir())
	r := startRedis(t)
	n.Shutdown()
	r.Shutdown()
	n.Shutdown() // again is fine
	r.Shutdown()
	goleak.VerifyNone(t, before)
}
