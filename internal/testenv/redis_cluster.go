package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/penstock/penstock/internal/redis"
)

const (
	clusterMasters = 3
	clusterSlots   = 16384
	// nodeTimeoutMillis is how long a node may be silent before the others take
	// it for dead; a replica is then promoted within 1 to 2 s.
	nodeTimeoutMillis = 1000
)

// RedisClusterServers is a Redis Cluster: three masters with one replica each. Which
// node is master of what changes with each failover.
type RedisClusterServers struct {
	URL   string         // redis://127.0.0.1:<port>?addr=…, all six nodes
	Nodes []*RedisServer // the first three started as masters
}

// RedisCluster starts a Redis Cluster that ends with the test. Nothing is kept
// on disk unless an option says so.
func RedisCluster(t testing.TB, opts ...RedisOption) *RedisClusterServers {
	t.Helper()
	c, err := StartRedisCluster(t.Context(), t.TempDir(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Kill()
		if t.Failed() {
			logTails(t, c.Nodes)
		}
	})
	return c
}

// StartRedisCluster starts the six nodes, which keep their files in dir, and
// returns once every slot is served and every replica in sync.
func StartRedisCluster(ctx context.Context, dir string, opts ...RedisOption) (*RedisClusterServers, error) {
	c := &RedisClusterServers{}
	for i := range 2 * clusterMasters {
		node, err := startClusterNode(ctx, filepath.Join(dir, "node-"+strconv.Itoa(i)), opts)
		if err != nil {
			c.Kill()
			return nil, err
		}
		c.Nodes = append(c.Nodes, node)
	}
	c.URL = urlOfAll(c.Nodes)
	if err := c.form(ctx); err != nil {
		c.Kill()
		return nil, fmt.Errorf("form a Redis Cluster: %w", err)
	}
	return c, nil
}

func startClusterNode(ctx context.Context, dir string, opts []RedisOption) (*RedisServer, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	busPort, err := freePort()
	if err != nil {
		return nil, err
	}
	return StartRedis(ctx, dir, append([]RedisOption{
		replicated(),
		RedisArg("cluster-enabled", "yes"),
		RedisArg("cluster-port", strconv.Itoa(busPort)),
		RedisArg("cluster-node-timeout", strconv.Itoa(nodeTimeoutMillis)),
		RedisArg("cluster-replica-validity-factor", "0"), // a replica may be promoted however far behind it is
		RedisArg("cluster-allow-replica-migration", "no"),
	}, opts...)...)
}

// urlOfAll names all servers in one URL of Penstock's PENSTOCK_REDIS_URL.
func urlOfAll(servers []*RedisServer) string {
	url := servers[0].URL
	for i, s := range servers[1:] {
		separator := "&"
		if i == 0 {
			separator = "?"
		}
		url += separator + "addr=" + s.Addr
	}
	return url
}

// form gives the masters their slots, introduces the nodes to each other and
// makes the rest replicas.
func (c *RedisClusterServers) form(ctx context.Context) error {
	for i, node := range c.Nodes {
		epoch := []string{"CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i + 1)}
		if err := node.commands(ctx, epoch); err != nil {
			return err
		}
	}
	for i, master := range c.Nodes[:clusterMasters] {
		first, end := i*clusterSlots/clusterMasters, (i+1)*clusterSlots/clusterMasters
		if err := master.commands(ctx, []string{"CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(end - 1)}); err != nil {
			return err
		}
	}
	if err := c.introduce(ctx); err != nil {
		return err
	}
	for i, replica := range c.Nodes[clusterMasters:] {
		id, err := c.Nodes[i].query(ctx, "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		if err := replica.commands(ctx, []string{"CLUSTER", "REPLICATE", id}); err != nil {
			return err
		}
	}
	return c.awaitWhole(ctx)
}

// introduce makes every node known to every other.
func (c *RedisClusterServers) introduce(ctx context.Context) error {
	for _, node := range c.Nodes[1:] {
		self, err := node.clusterSelf(ctx)
		if err != nil {
			return err
		}
		if err := c.Nodes[0].commands(ctx, []string{"CLUSTER", "MEET", "127.0.0.1", self.port, self.busPort}); err != nil {
			return err
		}
	}
	return await(ctx, "the nodes to know each other", func(ctx context.Context) (bool, error) {
		return c.all(func(node *RedisServer) (bool, error) {
			info, err := node.query(ctx, "CLUSTER", "INFO")
			return redis.InfoFields(info)["cluster_known_nodes"] == strconv.Itoa(len(c.Nodes)), err
		})
	})
}

// awaitWhole waits until every node that runs calls the cluster whole, and every
// replica that runs is in sync.
func (c *RedisClusterServers) awaitWhole(ctx context.Context) error {
	return await(ctx, "the cluster to be whole", func(ctx context.Context) (bool, error) {
		return c.all(func(node *RedisServer) (bool, error) {
			info, err := node.query(ctx, "CLUSTER", "INFO")
			if err != nil || redis.InfoFields(info)["cluster_state"] != "ok" {
				return false, errors.Join(err, fmt.Errorf("%s calls the cluster %s", node.Addr, redis.InfoFields(info)["cluster_state"]))
			}
			self, err := node.clusterSelf(ctx)
			if err != nil || self.master == "" {
				return err == nil && len(self.slots) > 0, err
			}
			synced, err := node.InSync(ctx)
			if !synced && err == nil {
				err = fmt.Errorf("the replica %s is not in sync", node.Addr)
			}
			return synced, err
		})
	})
}

// all tells whether ok is true of every node that runs.
func (c *RedisClusterServers) all(ok func(*RedisServer) (bool, error)) (bool, error) {
	for _, node := range c.Nodes {
		if node.PID() == 0 {
			continue
		}
		if good, err := ok(node); !good || err != nil {
			return false, err
		}
	}
	return true, nil
}

// Kill ends all nodes.
func (c *RedisClusterServers) Kill() {
	for _, node := range c.Nodes {
		_ = node.Kill()
	}
}

// Master is the node that serves the key's slot by its own word. After a failover
// two may say so for a moment: the one that took the slot later counts.
func (c *RedisClusterServers) Master(ctx context.Context, key string) (*RedisServer, error) {
	master, _, err := c.shard(ctx, key)
	return master, err
}

// Replica is the node that copies the master of the key's slot.
func (c *RedisClusterServers) Replica(ctx context.Context, key string) (*RedisServer, error) {
	_, id, err := c.shard(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, node := range c.Nodes {
		if node.PID() == 0 {
			continue
		}
		self, err := node.clusterSelf(ctx)
		if err != nil {
			return nil, err
		}
		if self.master == id {
			return node, nil
		}
	}
	return nil, fmt.Errorf("no replica of the master of %q runs", key)
}

// shard finds the master of a key's slot and its node id.
func (c *RedisClusterServers) shard(ctx context.Context, key string) (master *RedisServer, id string, err error) {
	latest := int64(-1)
	for _, node := range c.Nodes {
		if node.PID() == 0 {
			continue
		}
		slot, err := node.keySlot(ctx, key)
		if err != nil {
			return nil, "", err
		}
		self, err := node.clusterSelf(ctx)
		if err != nil {
			return nil, "", err
		}
		if self.master == "" && self.serves(slot) && self.epoch > latest {
			master, id, latest = node, self.id, self.epoch
		}
	}
	if master == nil {
		return nil, "", fmt.Errorf("no master serves the key %q", key)
	}
	return master, id, nil
}

// TakeOver promotes a replica while its master lives, without waiting for what the
// replica lacks and without a vote (CLUSTER FAILOVER TAKEOVER). It returns once
// the replica is master; the deposed one learns of it within milliseconds.
func (c *RedisClusterServers) TakeOver(ctx context.Context, replica *RedisServer) error {
	if err := replica.commands(ctx, []string{"CLUSTER", "FAILOVER", "TAKEOVER"}); err != nil {
		return err
	}
	return c.AwaitPromotion(ctx, replica)
}

// AwaitPromotion returns once the node says that it is a master.
func (c *RedisClusterServers) AwaitPromotion(ctx context.Context, replica *RedisServer) error {
	return await(ctx, "the replica to be promoted", replica.IsMaster)
}

// Rejoin makes a deposed master, killed or alive, a replica again, and returns
// once the cluster is whole and every replica in sync.
func (c *RedisClusterServers) Rejoin(ctx context.Context, deposed *RedisServer) error {
	if err := startOrRestore(ctx, deposed); err != nil {
		return err
	}
	err := await(ctx, "the deposed master to be a replica", func(ctx context.Context) (bool, error) {
		master, err := deposed.IsMaster(ctx)
		return !master, err
	})
	return errors.Join(err, c.awaitWhole(ctx))
}

// startOrRestore starts a killed server, or lets one that lives have replicas again.
func startOrRestore(ctx context.Context, s *RedisServer) error {
	if s.PID() == 0 {
		return s.Start(ctx)
	}
	return s.RestoreReplicas(ctx)
}
