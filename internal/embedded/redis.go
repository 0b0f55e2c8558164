package embedded

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// One pass over the TTLs looks at every key under the server's lock. The pause between passes is
// ttlCostShare times what the last one took, so that the passes take about 1/ttlCostShare of the
// server's time, and lies within these bounds. Measured: 37 ms a pass over 100,000 keys.
const (
	minTTLPause  = 500 * time.Millisecond
	maxTTLPause  = 2 * time.Second
	ttlCostShare = 1000
)

// Redis is an in-process Redis server on a loopback port, behind a password made for this run.
type Redis struct {
	engine   *miniredis.Miniredis
	password string
	stop     chan struct{}
	done     sync.WaitGroup
	once     sync.Once
}

// StartRedis starts an empty server. It keeps nothing on disk, so it needs no directory.
func StartRedis(log *slog.Logger) (*Redis, error) {
	secret := make([]byte, 24)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	r := &Redis{engine: miniredis.NewMiniRedis(), password: hex.EncodeToString(secret), stop: make(chan struct{})}
	r.engine.RequireAuth(r.password) // before it listens, so that there is no moment without
	if err := r.engine.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	if err := AnswerInfo(r.engine); err != nil {
		r.engine.Close()
		return nil, err
	}
	r.done.Go(r.runTTLs)
	log.Debug("embedded redis started", "addr", r.engine.Addr())
	return r, nil
}

// URL is the address with its password, for redis.Connect. It must not be logged.
func (r *Redis) URL() string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", r.password), Host: r.engine.Addr()}
	return u.String()
}

// Addr is host:port, without the password.
func (r *Redis) Addr() string { return r.engine.Addr() }

// Shutdown closes every connection and returns when the server has stopped. It may be called again.
func (r *Redis) Shutdown() {
	r.once.Do(func() {
		close(r.stop)
		r.done.Wait()
		r.engine.Close()
	})
}

// runTTLs makes TTLs run, which the engine by itself does not. Its own ClockTTL mode looks at
// every key on every command, which is too dear. FastForward shortens TTLs and leaves TIME alone,
// so the clock of the scripts stays the true one. A TTL ends up to one pause (≤ 2 s) early: that is
// harmless to a lease, because the embedded state has one process only.
func (r *Redis) runTTLs() {
	timer := time.NewTimer(minTTLPause)
	defer timer.Stop()
	last := time.Now()
	for {
		select {
		case <-r.stop:
			return
		case <-timer.C:
		}
		started := time.Now()
		r.engine.FastForward(started.Sub(last))
		last = started
		timer.Reset(min(max(minTTLPause, ttlCostShare*time.Since(started)), maxTTLPause))
	}
}
