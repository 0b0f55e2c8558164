package redis

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"
)

// Script is one Lua script. Its name is its file's name and its label in the metrics.
type Script struct {
	name string
	lua  *rueidis.Lua
}

// NewScript wraps the text of a script.
func NewScript(name, body string) *Script {
	return &Script{name: name, lua: rueidis.NewLuaScript(body)}
}

// Name returns the script's name.
func (s *Script) Name() string { return s.name }

// Exec runs the script by its digest, and sends its text when the server does not know it yet.
// A script must be idempotent: a connection that breaks may have run it.
func (s *Script) Exec(ctx context.Context, client rueidis.Client, keys, args []string) rueidis.RedisResult {
	started := time.Now()
	res := s.lua.Exec(ctx, client, keys, args)
	scriptSeconds.WithLabelValues(s.name).Observe(time.Since(started).Seconds())
	return res
}

// scriptSeconds is the round trip of a script as the node sees it: network, queueing and run.
var scriptSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "penstock_script_seconds",
	Help:    "Round trip of a Redis script, in seconds.",
	Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 12),
}, []string{"script"})

// Metrics registers the timings of the scripts.
func Metrics(reg prometheus.Registerer) error { return reg.Register(scriptSeconds) }
