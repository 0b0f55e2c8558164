package testenv

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// pairedRedis is what RedisClusterServers and RedisSentinelServers have in common.
type pairedRedis interface {
	Master(ctx context.Context, key string) (*RedisServer, error)
	Replica(ctx context.Context, key string) (*RedisServer, error)
	AwaitPromotion(ctx context.Context, replica *RedisServer) error
	Rejoin(ctx context.Context, deposed *RedisServer) error
}

const countedKey = "ps:{drop}:counter"

// increment counts one on at the server and returns the count.
func increment(t *testing.T, s *RedisServer) (value int64) {
	t.Helper()
	err := s.with(t.Context(), func(ctx context.Context, client rueidis.Client) (err error) {
		value, err = client.Do(ctx, client.B().Incr().Key(countedKey).Build()).AsInt64()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// letFallBehind waits until the replica has all that the master has, cuts it off, and
// counts ten further at the master.
func letFallBehind(t *testing.T, master, replica *RedisServer) {
	t.Helper()
	Eventually(t, 10*time.Second, "the replica has what the master has", func() bool {
		ours, err := master.replicationInfo(t.Context())
		theirs, errTheirs := replica.replicationInfo(t.Context())
		return err == nil && errTheirs == nil && ours["master_repl_offset"] == theirs["slave_repl_offset"]
	})
	if err := master.CutReplicas(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		increment(t, master)
	}
}

// promoteTwice checks that each promotion goes back by the ten counts that the
// replica had not got, and that the deposed master can be the next replica.
func promoteTwice(t *testing.T, servers pairedRedis, promote func(master, replica *RedisServer) error) {
	t.Helper()
	for range 2 {
		master, err := servers.Master(t.Context(), countedKey)
		if err != nil {
			t.Fatal(err)
		}
		replica, err := servers.Replica(t.Context(), countedKey)
		if err != nil {
			t.Fatal(err)
		}
		before := increment(t, master)
		letFallBehind(t, master, replica)
		if err := promote(master, replica); err != nil {
			t.Fatal(err)
		}
		if after := increment(t, replica); after != before+1 {
			t.Errorf("the promoted replica went on at %d, want %d: ten behind", after, before+1)
		}
		if err := servers.Rejoin(t.Context(), master); err != nil {
			t.Fatal(err)
		}
		now, err := servers.Master(t.Context(), countedKey)
		if err != nil || now != replica {
			t.Fatalf("the master is %v (%v), want the promoted %s", now, err, replica.Addr)
		}
		if synced, err := master.InSync(t.Context()); err != nil || !synced {
			t.Fatalf("the deposed master is no replica: %v", err)
		}
	}
}

// killMaster promotes by the death of the master.
func killMaster(t *testing.T, servers pairedRedis) func(master, replica *RedisServer) error {
	return func(master, replica *RedisServer) error {
		if err := master.Kill(); err != nil {
			return err
		}
		return servers.AwaitPromotion(t.Context(), replica)
	}
}

func TestAClusterPromotesAReplicaThatIsBehind(t *testing.T) {
	c := RedisCluster(t)
	t.Run("master killed", func(t *testing.T) { promoteTwice(t, c, killMaster(t, c)) })
	t.Run("taken over, master alive", func(t *testing.T) {
		promoteTwice(t, c, func(_, replica *RedisServer) error { return c.TakeOver(t.Context(), replica) })
	})
}

func TestSentinelsPromoteAReplicaThatIsBehind(t *testing.T) {
	s := RedisSentinel(t)
	promoteTwice(t, s, killMaster(t, s))
}

func TestTheURLOfAClusterAndOfSentinelsLeadsToTheMaster(t *testing.T) {
	for name, url := range map[string]string{"cluster": RedisCluster(t).URL, "sentinel": RedisSentinel(t).URL} {
		t.Run(name, func(t *testing.T) {
			opts, err := rueidis.ParseURL(url)
			if err != nil {
				t.Fatal(err)
			}
			opts.DisableCache = true
			client, err := rueidis.NewClient(opts)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			for i := range 20 { // keys of several shards
				key := "key-" + strconv.Itoa(i)
				if err := client.Do(t.Context(), client.B().Set().Key(key).Value("x").Build()).Error(); err != nil {
					t.Fatalf("SET %s: %v", key, err)
				}
			}
		})
	}
}

func TestParseClusterSelfReadsWhatANodeSaysOfItself(t *testing.T) {
	const text = "aaa 127.0.0.1:7001@17001 master - 0 1 2 connected 0-5460\n" +
		"bbb 127.0.0.1:7002@17002,host myself,master - 0 0 7 connected 5461-10000 12000 [93-<-aaa]\n"
	self, err := parseClusterSelf(text)
	if err != nil {
		t.Fatal(err)
	}
	if self.id != "bbb" || self.port != "7002" || self.busPort != "17002" || self.master != "" || self.epoch != 7 {
		t.Errorf("read %+v", self)
	}
	for slot, want := range map[int64]bool{93: false, 5460: false, 5461: true, 10000: true, 10001: false, 12000: true} {
		if self.serves(slot) != want {
			t.Errorf("serves(%d) = %v", slot, !want)
		}
	}
	if _, err := parseClusterSelf("aaa 127.0.0.1:7001@17001 master - 0 1 2 connected 0-5460\n"); err == nil {
		t.Error("no error without a line for the node itself")
	}
}
