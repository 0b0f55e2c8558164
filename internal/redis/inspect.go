package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/redis/rueidis"
)

// ServerFacts are the settings of one master that decide whether Penstock may rely on it.
type ServerFacts struct {
	Addr    string
	Version string
	// Embedded: the engine lives and dies with this process.
	Embedded bool
	// MaxMemoryPolicy, AppendOnly, AppendFsync and Save are those of its configuration; "" when it
	// does not tell them.
	MaxMemoryPolicy, AppendOnly, AppendFsync, Save string
	// Replicas are connected now; MinReplicasToWrite of them must be, or writes are refused.
	Replicas, MinReplicasToWrite int64
	Cluster                      bool
	// NodeTimeoutMillis is the cluster's; 0 outside of one.
	NodeTimeoutMillis int64
	// Trouble is why the settings could not be read; nil when they were.
	Trouble error
}

// Inspect reads the settings of every master, in the order of their addresses.
func Inspect(ctx context.Context, client rueidis.Client) ([]ServerFacts, error) {
	var all []ServerFacts
	nodes := client.Nodes()
	for _, addr := range slices.Sorted(maps.Keys(nodes)) {
		facts, master, err := inspect(ctx, addr, nodes[addr])
		if err != nil {
			return nil, fmt.Errorf("redis at %s: %w", addr, err)
		}
		if master {
			all = append(all, facts)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("redis: no master answers")
	}
	return all, nil
}

func inspect(ctx context.Context, addr string, node rueidis.Client) (facts ServerFacts, master bool, err error) {
	text, err := node.Do(ctx, node.B().Info().Section("server", "replication", "cluster").Build()).ToString()
	if err != nil {
		return ServerFacts{}, false, err
	}
	info := InfoFields(text)
	facts = ServerFacts{
		Addr: addr, Version: info["redis_version"], Embedded: info["redis_mode"] == embeddedMode,
		Cluster: info["cluster_enabled"] == "1" || info["redis_mode"] == "cluster",
	}
	facts.Replicas, _ = strconv.ParseInt(info["connected_slaves"], 10, 64)
	if facts.Embedded || info["role"] != "master" {
		return facts, facts.Embedded, nil
	}
	settings, err := node.Do(ctx, node.B().ConfigGet().Parameter("maxmemory-policy", "appendonly", "appendfsync", "save",
		"min-replicas-to-write", "cluster-node-timeout").Build()).AsStrMap()
	if err != nil {
		facts.Trouble = fmt.Errorf("CONFIG GET: %w", err)
		return facts, true, nil
	}
	facts.MaxMemoryPolicy, facts.AppendOnly = settings["maxmemory-policy"], settings["appendonly"]
	facts.AppendFsync, facts.Save = settings["appendfsync"], settings["save"]
	facts.MinReplicasToWrite, _ = strconv.ParseInt(settings["min-replicas-to-write"], 10, 64)
	if facts.Cluster {
		facts.NodeTimeoutMillis, _ = strconv.ParseInt(settings["cluster-node-timeout"], 10, 64)
	}
	return facts, true, nil
}

// embeddedMode is how the embedded engine names its mode in INFO.
const embeddedMode = "embedded"
