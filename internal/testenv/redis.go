package testenv

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// RedisServer is a redis-server child.
type RedisServer struct {
	child
	URL  string // redis://127.0.0.1:<port>
	Addr string // 127.0.0.1:<port>
}

// RedisOption sets one thing about a Redis server.
type RedisOption func(*redisSettings)

type redisSettings struct{ args []string }

// AppendFsync turns the append-only file on with fsync "always", "everysec" or
// "no". Without it nothing is kept on disk, and a restarted server is empty.
func AppendFsync(policy string) RedisOption {
	return RedisArg("appendonly", "yes", "--appendfsync", policy)
}

// RedisArg sets one more directive of redis.conf, e.g. RedisArg("maxmemory", "64mb").
func RedisArg(name string, values ...string) RedisOption {
	return func(s *redisSettings) { s.args = append(append(s.args, "--"+name), values...) }
}

// Redis starts a redis-server that ends with the test.
func Redis(t testing.TB, opts ...RedisOption) *RedisServer {
	t.Helper()
	s, err := StartRedis(t.Context(), t.TempDir(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Kill() })
	return s
}

// StartRedis starts a redis-server that keeps its files in dir and returns
// once it answers. The context bounds the start only.
func StartRedis(ctx context.Context, dir string, opts ...RedisOption) (*RedisServer, error) {
	program, err := findProgram("redis-server", "apt-get install -y redis-server")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	settings := redisSettings{args: []string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--daemonize", "no", "--logfile", "",
	}}
	for _, opt := range opts {
		opt(&settings)
	}
	s := &RedisServer{URL: "redis://" + loopback(port), Addr: loopback(port)}
	s.name, s.logPath, s.stopSignal = "redis-server", filepath.Join(dir, "redis-server.log"), syscall.SIGTERM
	s.command = func() *exec.Cmd { return exec.CommandContext(context.Background(), program, settings.args...) }
	s.ready = func(ctx context.Context) error { return pingRedis(ctx, s.Addr) }
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// pingRedis succeeds once the server has loaded its files: until then it
// answers -LOADING.
func pingRedis(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.TrimSpace(answer) != "+PONG" {
		return fmt.Errorf("answered %q", strings.TrimSpace(answer))
	}
	return nil
}
