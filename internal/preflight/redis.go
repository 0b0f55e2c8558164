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

// redisDisk only tells: a server that was restarted is of another run, and its sales are rebuilt
// whatever it has kept.
func redisDisk(server redis.ServerFacts) Finding {
	if server.Trouble != nil {
		return redisFinding(server, "settings", Warn, "the server does not tell its settings ("+server.Trouble.Error()+").",
			"Allow CONFIG GET. Without it, check maxmemory-policy and min-replicas-to-write by hand.")
	}
	keeps := "nothing is kept on disk"
	switch {
	case server.AppendOnly == "yes":
		keeps = "append-only file, fsync " + server.AppendFsync
	case server.Save != "":
		keeps = "snapshots"
	}
	return redisFinding(server, "persistence", OK, keeps+
		". After a restart the sales are rebuilt from the ledger, the order log and the journal in any case. Reservations of sales with durability memory are lost then.", "")
}

// redisReplicas: a master that was deposed and still answers some node is bounded by Redis' own
// fencing alone.
func redisReplicas(server redis.ServerFacts) Finding {
	switch {
	case server.Replicas == 0:
		return redisFinding(server, "replicas", OK, "no replica.", "")
	case server.Cluster && server.Trouble != nil:
		return redisFinding(server, "replicas", OK, fmt.Sprintf("%d, in a cluster: a master that is cut off stops writing after its cluster-node-timeout, which it does not tell.",
			server.Replicas), "")
	case server.Cluster:
		return redisFinding(server, "replicas", OK, fmt.Sprintf("%d, in a cluster: a master that is cut off stops writing after %d ms.",
			server.Replicas, server.NodeTimeoutMillis), "")
	case server.Trouble != nil:
		return redisFinding(server, "replicas", Warn, fmt.Sprintf("%d; the server does not tell its min-replicas-to-write.", server.Replicas),
			"Make sure that min-replicas-to-write is 1 and min-replicas-max-lag a few seconds: a master that is cut off must not go on taking writes.")
	case server.MinReplicasToWrite == 0:
		return redisFinding(server, "replicas", Warn, fmt.Sprintf("%d, and min-replicas-to-write is 0: a master that is cut off goes on taking writes.", server.Replicas),
			"Set min-replicas-to-write 1 and min-replicas-max-lag to a few seconds.")
	default:
		return redisFinding(server, "replicas", OK, fmt.Sprintf("%d, min-replicas-to-write %d.", server.Replicas, server.MinReplicasToWrite), "")
	}
}
