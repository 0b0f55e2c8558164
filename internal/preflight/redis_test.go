package preflight

import (
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/redis"
)

func good() redis.ServerFacts {
	return redis.ServerFacts{Addr: "r:6379", Version: "7.2.4", MaxMemoryPolicy: "noeviction", AppendOnly: "yes", AppendFsync: "everysec"}
}

func TestRedisIsJudged(t *testing.T) {
	with := func(change func(*redis.ServerFacts)) redis.ServerFacts {
		facts := good()
		change(&facts)
		return facts
	}
	cases := map[string]struct {
		facts   redis.ServerFacts
		finding string
		verdict Verdict
		says    string
	}{
		"old":       {with(func(f *redis.ServerFacts) { f.Version = "6.2.1" }), "version", Refuse, "7.0 or later"},
		"evicting":  {with(func(f *redis.ServerFacts) { f.MaxMemoryPolicy = "allkeys-lru" }), "maxmemory-policy", Refuse, "noeviction"},
		"append":    {good(), "persistence", OK, "append-only file, fsync everysec"},
		"snapshots": {with(func(f *redis.ServerFacts) { f.AppendOnly, f.Save = "no", "3600 1" }), "persistence", OK, "snapshots"},
		"no disk":   {with(func(f *redis.ServerFacts) { f.AppendOnly = "no" }), "persistence", OK, "durability memory are lost"},
		"alone":     {good(), "replicas", OK, "no replica"},
		"no fence":  {with(func(f *redis.ServerFacts) { f.Replicas = 1 }), "replicas", Warn, "min-replicas-to-write is 0"},
		"fenced":    {with(func(f *redis.ServerFacts) { f.Replicas, f.MinReplicasToWrite = 1, 1 }), "replicas", OK, "min-replicas-to-write 1"},
		"cluster":   {with(func(f *redis.ServerFacts) { f.Replicas, f.Cluster, f.NodeTimeoutMillis = 1, true, 2000 }), "replicas", OK, "2000 ms"},
		"silent": {redis.ServerFacts{Addr: "r:6379", Version: "7.2.4", Replicas: 1, Trouble: errors.New("no permission")},
			"settings", Warn, "no permission"},
		"silent, policy": {redis.ServerFacts{Addr: "r:6379", Version: "7.2.4", Trouble: errors.New("no permission")},
			"maxmemory-policy", Warn, "does not tell"},
		"silent, cluster": {redis.ServerFacts{Addr: "r:6379", Version: "7.2.4", Replicas: 1, Cluster: true, Trouble: errors.New("no permission")},
			"replicas", OK, "cluster-node-timeout"},
		"silent, replica": {redis.ServerFacts{Addr: "r:6379", Version: "7.2.4", Replicas: 1, Trouble: errors.New("no permission")},
			"replicas", Warn, "does not tell its min-replicas-to-write"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, f := range Redis([]redis.ServerFacts{c.facts}) {
				if f.Name != c.finding {
					continue
				}
				if f.Verdict != c.verdict || !strings.Contains(f.Detail+" "+f.Advice, c.says) {
					t.Fatalf("%+v, want %s and %q", f, c.verdict, c.says)
				}
				return
			}
			t.Fatalf("there is no finding %q", c.finding)
		})
	}
}
