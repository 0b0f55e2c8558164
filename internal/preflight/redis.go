package preflight

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/redis"
)

const (
	partRedis = "redis"
	// minRedisVersion has INFO with several sections, which the scripts use.
	minRedisVersion = 7
)

// Redis judges the masters.
func Redis(servers []redis.ServerFacts) []Finding {
	var all []Finding
	for _, server := range servers {
		if server.Embedded {
			all = append(all, Finding{Part: partRedis, Name: "engine", Verdict: OK,
				Detail: "embedded: it lives and dies with this process, and is rebuilt from disk."})
			continue
		}
		all = append(all, redisVersion(server), redisMemory(server), redisDisk(server), redisReplicas(server))
	}
	return all
}

func redisFinding(server redis.ServerFacts, name string, verdict Verdict, detail, advice string) Finding {
	return Finding{Part: partRedis, Name: name, Verdict: verdict, Detail: server.Addr + ": " + detail, Advice: advice}
}

func redisVersion(server redis.ServerFacts) Finding {
	major, _, _ := strings.Cut(server.Version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < minRedisVersion {
		return redisFinding(server, "version", Refuse, fmt.Sprintf("version %q.", server.Version), "Use Redis 7.0 or later.")
	}
	return redisFinding(server, "version", OK, "version "+server.Version+".", "")
}

func redisMemory(server redis.ServerFacts) Finding {
	switch server.MaxMemoryPolicy {
	case "noeviction":
		return redisFinding(server, "maxmemory-policy", OK, "noeviction.", "")
	case "":
		return redisFinding(server, "maxmemory-policy", Warn, "the server does not tell its maxmemory-policy.",
			"Make sure that it is noeviction: an evicted counter is a wrong counter.")
	default:
		return redisFinding(server, "maxmemory-policy", Refuse, "maxmemory-policy is "+server.MaxMemoryPolicy+": counters could be evicted.",
			"Set maxmemory-policy noeviction.")
	}
}

func redisDisk(server redis.ServerFacts) Finding {
	switch {
	case server.Trouble != nil:
		return redisFinding(server, "persistence", Warn, "the server does not tell its settings ("+server.Trouble.Error()+").",
			"Allow CONFIG GET, or check appendonly and appendfsync by hand.")
	case server.AppendOnly == "yes":
		return redisFinding(server, "persistence", OK, "append-only file, fsync "+server.AppendFsync+".", "")
	case server.Save != "":
		return redisFinding(server, "persistence", Warn, "snapshots only.",
			"A restart is followed by a rebuild from the journal in any case; appendonly yes keeps more of sales of durability memory.")
	default:
		return redisFinding(server, "persistence", Warn, "nothing is kept on disk.",
			"A restart is followed by a rebuild from the journal; reservations of durability memory are lost then.")
	}
}

// redisReplicas: a master that was deposed and still answers some node is bounded by Redis' own
// fencing alone.
func redisReplicas(server redis.ServerFacts) Finding {
	switch {
	case server.Replicas == 0:
		return redisFinding(server, "replicas", OK, "no replica.", "")
	case server.Cluster:
		return redisFinding(server, "replicas", OK, fmt.Sprintf("%d, in a cluster: a master that is cut off stops writing after %d ms.",
			server.Replicas, server.NodeTimeoutMillis), "")
	case server.MinReplicasToWrite == 0:
		return redisFinding(server, "replicas", Warn, fmt.Sprintf("%d, and min-replicas-to-write is 0: a master that is cut off goes on taking writes.", server.Replicas),
			"Set min-replicas-to-write 1 and min-replicas-max-lag to a few seconds.")
	default:
		return redisFinding(server, "replicas", OK, fmt.Sprintf("%d, min-replicas-to-write %d.", server.Replicas, server.MinReplicasToWrite), "")
	}
}
