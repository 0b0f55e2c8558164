package testenv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
)

const (
	// replicaUser is whom replicas log in as. A master that turns this user off
	// gets no replica any more, and everything else goes on.
	replicaUser     = "replica"
	replicaPassword = "testenv"

	// commandTimeout bounds one command to one server.
	commandTimeout = 5 * time.Second
	// syncTimeout bounds how long replicas and failovers may take on a loaded machine.
	syncTimeout   = 90 * time.Second
	syncPollEvery = 20 * time.Millisecond
)

// replicated is the setting of a server that may be master and replica in turn.
// A replica starts its copy at once; the default waits 5 s for more replicas.
func replicated() RedisOption {
	return func(s *redisSettings) {
		RedisArg("user", replicaUser, "on", ">"+replicaPassword, "~*", "&*", "+@all")(s)
		RedisArg("masteruser", replicaUser)(s)
		RedisArg("masterauth", replicaPassword)(s)
		RedisArg("repl-diskless-sync-delay", "0")(s)
	}
}

// CutReplicas makes a master send nothing to its replicas from now on: they keep
// what they have, and fall behind. Clients of the master notice nothing. It
// works on the servers of RedisCluster and RedisSentinel.
func (s *RedisServer) CutReplicas(ctx context.Context) error {
	return s.commands(ctx, []string{"ACL", "SETUSER", replicaUser, "off"}, []string{"CLIENT", "KILL", "USER", replicaUser})
}

// RestoreReplicas undoes CutReplicas: the replicas connect within a second. A
// server that was started again since needs it not.
func (s *RedisServer) RestoreReplicas(ctx context.Context) error {
	return s.commands(ctx, []string{"ACL", "SETUSER", replicaUser, "on"})
}

// IsMaster tells whether the server says of itself that it is a master.
func (s *RedisServer) IsMaster(ctx context.Context) (bool, error) {
	info, err := s.replicationInfo(ctx)
	return info["role"] == "master", err
}

// InSync tells whether a replica gets every write of its master as it happens.
func (s *RedisServer) InSync(ctx context.Context) (bool, error) {
	info, err := s.replicationInfo(ctx)
	return info["role"] == "slave" && info["master_link_status"] == "up" && info["master_sync_in_progress"] == "0", err
}

func (s *RedisServer) replicationInfo(ctx context.Context) (map[string]string, error) {
	text, err := s.query(ctx, "INFO", "replication")
	return redis.InfoFields(text), err
}

// query sends one command to this very server and returns its answer, which is a text.
func (s *RedisServer) query(ctx context.Context, command ...string) (text string, err error) {
	err = s.with(ctx, func(ctx context.Context, client rueidis.Client) error {
		text, err = client.Do(ctx, client.B().Arbitrary(command...).Build()).ToString()
		return err
	})
	return text, err
}

// commands sends commands to this very server and fails with the first error.
func (s *RedisServer) commands(ctx context.Context, list ...[]string) error {
	return s.with(ctx, func(ctx context.Context, client rueidis.Client) error {
		for _, command := range list {
			if err := client.Do(ctx, client.B().Arbitrary(command...).Build()).Error(); err != nil {
				return fmt.Errorf("%s: %w", strings.Join(command, " "), err)
			}
		}
		return nil
	})
}

// with lends a connection to this server alone, cluster or not.
func (s *RedisServer) with(ctx context.Context, use func(context.Context, rueidis.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{s.Addr}, ForceSingleClient: true, DisableCache: true, DisableRetry: true, AlwaysRESP2: true,
	})
	if err != nil {
		return fmt.Errorf("redis at %s: %w", s.Addr, err)
	}
	defer client.Close()
	if err := use(ctx, client); err != nil {
		return fmt.Errorf("redis at %s: %w", s.Addr, err)
	}
	return nil
}

// logTails shows the end of each server's own log, for a test that failed.
func logTails(t testing.TB, servers []*RedisServer) {
	t.Helper()
	for _, s := range servers {
		t.Logf("log of %s at %s ends with\n%s", s.name, s.Addr, s.logTail())
	}
}

// await polls until ok reports true; what completes "waited for …". An error of
// ok counts as not yet; the last one is in the error when the time is over.
func await(ctx context.Context, what string, ok func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	tick := time.NewTicker(syncPollEvery)
	defer tick.Stop()
	var last error
	for {
		done, err := ok(ctx)
		if done && err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waited in vain for %s: %w", what, ctx.Err()), last)
		case <-tick.C:
		}
	}
}
