package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/rueidis"
)

const (
	sentinelCount     = 3
	sentinelMasterSet = "penstock"
	// sentinelDownAfterMillis is the silence after which the master counts as dead.
	// Sentinels ping once a second: with a second or less a master that was just
	// promoted may count as dead before its first ping.
	sentinelDownAfterMillis = 2000
)

// RedisSentinelServers is a Redis master with one replica, watched by three sentinels.
// Which node is the master changes with each failover.
type RedisSentinelServers struct {
	URL       string         // redis://127.0.0.1:<port>?addr=…&master_set=penstock, the three sentinels
	Nodes     []*RedisServer // the first started as the master
	Sentinels []*RedisServer
}

// RedisSentinel starts the set, which ends with the test. Nothing is kept on disk
// unless an option says so.
func RedisSentinel(t testing.TB, opts ...RedisOption) *RedisSentinelServers {
	t.Helper()
	s, err := StartRedisSentinel(t.Context(), t.TempDir(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			logTails(t, append(append([]*RedisServer{}, s.Sentinels...), s.Nodes...))
		}
	})
	return s
}

// StartRedisSentinel starts the servers, which keep their files in dir, and
// returns once the replica is in sync and the sentinels agree.
func StartRedisSentinel(ctx context.Context, dir string, opts ...RedisOption) (*RedisSentinelServers, error) {
	s := &RedisSentinelServers{}
	if err := s.start(ctx, dir, opts); err != nil {
		s.Kill()
		return nil, fmt.Errorf("start Redis with sentinels: %w", err)
	}
	return s, nil
}

func (s *RedisSentinelServers) start(ctx context.Context, dir string, opts []RedisOption) error {
	for i := range 2 {
		home := filepath.Join(dir, "node-"+strconv.Itoa(i))
		if err := os.Mkdir(home, 0o755); err != nil {
			return err
		}
		node, err := StartRedis(ctx, home, append([]RedisOption{replicated()}, opts...)...)
		if err != nil {
			return err
		}
		s.Nodes = append(s.Nodes, node)
	}
	if err := s.follow(ctx, s.Nodes[1], s.Nodes[0]); err != nil {
		return err
	}
	for i := range sentinelCount {
		watcher, err := startSentinel(ctx, filepath.Join(dir, "sentinel-"+strconv.Itoa(i)), s.Nodes[0])
		if err != nil {
			return err
		}
		s.Sentinels = append(s.Sentinels, watcher)
	}
	s.URL = urlOfAll(s.Sentinels) + "&master_set=" + sentinelMasterSet
	return s.awaitAgreement(ctx)
}

// startSentinel starts one sentinel, which is redis-server in another mode. It
// writes what it learns into its configuration file.
func startSentinel(ctx context.Context, dir string, master *RedisServer) (*RedisServer, error) {
	program, err := findProgram("redis-server", "apt-get install -y redis-server")
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	_, masterPort, _ := strings.Cut(master.Addr, ":")
	config := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf(`port %d
bind 127.0.0.1
dir %q
sentinel monitor %[3]s 127.0.0.1 %[4]s 2
sentinel down-after-milliseconds %[3]s %[5]d
sentinel failover-timeout %[3]s 10000
sentinel parallel-syncs %[3]s 1
`, port, dir, sentinelMasterSet, masterPort, sentinelDownAfterMillis)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s := &RedisServer{URL: "redis://" + loopback(port), Addr: loopback(port)}
	s.name, s.logPath, s.stopSignal = "redis-server --sentinel", filepath.Join(dir, "sentinel.log"), syscall.SIGTERM
	s.command = func() *exec.Cmd { return exec.CommandContext(context.Background(), program, config, "--sentinel") }
	s.ready = func(ctx context.Context) error { return pingRedis(ctx, s.Addr) }
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Kill ends all servers.
func (s *RedisSentinelServers) Kill() {
	for _, server := range append(append([]*RedisServer{}, s.Sentinels...), s.Nodes...) {
		_ = server.Kill()
	}
}

// Master is the node that all sentinels call the master. The key is not looked
// at: there is one master. It makes the method that of RedisClusterServers.
func (s *RedisSentinelServers) Master(ctx context.Context, _ string) (*RedisServer, error) {
	named := ""
	for _, watcher := range s.Sentinels {
		fields, err := watcher.sentinelFields(ctx, "MASTER")
		if err != nil {
			return nil, err
		}
		addr := loopbackText(fields["port"])
		if named != "" && named != addr {
			return nil, fmt.Errorf("the sentinels name two masters, %s and %s", named, addr)
		}
		named = addr
	}
	for _, node := range s.Nodes {
		if node.Addr == named {
			return node, nil
		}
	}
	return nil, fmt.Errorf("the sentinels name an unknown master, %s", named)
}

// Replica is the other node.
func (s *RedisSentinelServers) Replica(ctx context.Context, key string) (*RedisServer, error) {
	master, err := s.Master(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, node := range s.Nodes {
		if node != master && node.PID() != 0 {
			return node, nil
		}
	}
	return nil, errors.New("no replica runs")
}

// AwaitPromotion returns once the node says that it is a master.
func (s *RedisSentinelServers) AwaitPromotion(ctx context.Context, replica *RedisServer) error {
	return await(ctx, "the replica to be promoted", replica.IsMaster)
}

// Rejoin makes a deposed master, killed or alive, a replica of the present master,
// and returns once it is in sync and the sentinels know it as a replica. They
// would do so themselves, after some 10 s. A killed one is started only when all
// sentinels name another master: earlier it might become the master again.
func (s *RedisSentinelServers) Rejoin(ctx context.Context, deposed *RedisServer) error {
	var master *RedisServer
	err := await(ctx, "the sentinels to name another master", func(ctx context.Context) (named bool, err error) {
		master, err = s.Master(ctx, "")
		return err == nil && master != deposed, err
	})
	if err != nil {
		return err
	}
	if err := startOrRestore(ctx, deposed); err != nil {
		return err
	}
	if err := s.follow(ctx, deposed, master); err != nil {
		return err
	}
	return s.awaitAgreement(ctx)
}

// follow makes a node a replica of the master, and returns once it is in sync.
func (s *RedisSentinelServers) follow(ctx context.Context, node, master *RedisServer) error {
	host, port, _ := strings.Cut(master.Addr, ":")
	if err := node.commands(ctx, []string{"REPLICAOF", host, port}); err != nil {
		return err
	}
	return await(ctx, "the replica to be in sync", node.InSync)
}

// awaitAgreement waits until all sentinels name one master, are in touch with it,
// with the replica and with each other, no failover is under way, and the
// replica is in sync. Which node is the master is theirs to say: on a loaded
// machine they may have made one more failover.
func (s *RedisSentinelServers) awaitAgreement(ctx context.Context) error {
	return await(ctx, "the sentinels to agree", func(ctx context.Context) (bool, error) {
		master, err := s.Master(ctx, "")
		if err != nil {
			return false, err
		}
		for _, watcher := range s.Sentinels {
			if err := watcher.sentinelAgrees(ctx, master); err != nil {
				return false, err
			}
		}
		replica, err := s.Replica(ctx, "")
		if err != nil {
			return false, err
		}
		return replica.InSync(ctx)
	})
}

// sentinelAgrees returns what keeps this sentinel from calling all well.
func (s *RedisServer) sentinelAgrees(ctx context.Context, master *RedisServer) error {
	fields, err := s.sentinelFields(ctx, "MASTER")
	if err != nil {
		return err
	}
	if loopbackText(fields["port"]) != master.Addr || fields["flags"] != "master" ||
		fields["num-slaves"] != "1" || fields["num-other-sentinels"] != strconv.Itoa(sentinelCount-1) {
		return fmt.Errorf("a sentinel says of the master %v", fields)
	}
	fields, err = s.sentinelFields(ctx, "REPLICAS")
	if err != nil {
		return err
	}
	if fields["flags"] != "slave" || fields["master-link-status"] != "ok" {
		return fmt.Errorf("a sentinel says of the replica %v", fields)
	}
	_, err = s.query(ctx, "SENTINEL", "CKQUORUM", sentinelMasterSet)
	return err
}

// sentinelFields asks a sentinel for what it knows of the master ("MASTER"), or
// of the one replica ("REPLICAS").
func (s *RedisServer) sentinelFields(ctx context.Context, what string) (fields map[string]string, err error) {
	err = s.with(ctx, func(ctx context.Context, client rueidis.Client) error {
		answer := client.Do(ctx, client.B().Arbitrary("SENTINEL", what, sentinelMasterSet).Build())
		if what == "MASTER" {
			fields, err = answer.AsStrMap()
			return err
		}
		replicas, err := answer.ToArray()
		if err != nil || len(replicas) != 1 {
			return errors.Join(err, fmt.Errorf("%d replicas are known", len(replicas)))
		}
		fields, err = replicas[0].AsStrMap()
		return err
	})
	return fields, err
}

func loopbackText(port string) string { return "127.0.0.1:" + port }
