//go:build faults

package main

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// redisGate is a Redis as one process reaches it: from a moment on, what Redis answers does not arrive there any more.
type redisGate struct {
	t      testing.TB
	redis  *testenv.RedisServer
	listen net.Listener

	mu      sync.Mutex
	done    func() bool   // says of Redis that what it was asked for is done; nil while everything goes through
	reached chan struct{} // closed once nothing goes through
}

func newRedisGate(t testing.TB, redis *testenv.RedisServer) *redisGate {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listen.Close() })
	g := &redisGate{t: t, redis: redis, listen: listen}
	go g.serve()
	return g
}

func (g *redisGate) url() string { return "redis://" + g.listen.Addr().String() }

// holdOnce withholds all answers from the moment at which done is true, looking before each of them. It returns
// when that was so: then Redis has done it, and the process has not heard of it.
func (g *redisGate) holdOnce(what string, done func() bool) {
	g.t.Helper()
	reached := make(chan struct{})
	g.mu.Lock()
	g.done, g.reached = done, reached
	g.mu.Unlock()
	select {
	case <-reached:
	case <-time.After(20 * time.Second):
		g.t.Fatalf("it did not happen: %s", what)
	}
}

// open lets the answers through to those who connect from now on.
func (g *redisGate) open() {
	g.mu.Lock()
	g.done = nil
	g.mu.Unlock()
}

func (g *redisGate) withholds() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done == nil {
		return false
	}
	select {
	case <-g.reached:
		return true
	default:
	}
	if !g.done() {
		return false
	}
	close(g.reached)
	return true
}

func (g *redisGate) serve() {
	for {
		conn, err := g.listen.Accept()
		if err != nil {
			return // the test is over
		}
		go g.pass(conn)
	}
}

func (g *redisGate) pass(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	server, err := net.Dial("tcp", strings.TrimPrefix(g.redis.URL, "redis://"))
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(server, conn)
		_ = server.Close() // the process is gone, and its last request is on its way
	}()
	answers := make([]byte, 64<<10)
	for {
		n, err := server.Read(answers)
		if err != nil {
			return
		}
		if g.withholds() {
			_, _ = io.Copy(io.Discard, server)
			return
		}
		if _, err := conn.Write(answers[:n]); err != nil {
			return
		}
	}
}
