// Package redis connects to Redis and runs Penstock's Lua scripts on it.
//
// Only what every stage needs is here: the connection, scripts with a name and a timing, the naming
// of keys, the run of a server, and what can be read of its settings. What the scripts do belongs to
// the stage that embeds them.
package redis

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/redis/rueidis"
)

const (
	dialTimeout = 3 * time.Second
	// writeTimeout bounds a call on a connection that has gone silent.
	writeTimeout = 5 * time.Second
)

// Connect opens a client for a redis:// or rediss:// URL, which names one node, a cluster
// (several addr= parameters) or sentinels (master_set=), and checks that it answers.
// The error names the host but never the password.
func Connect(ctx context.Context, rawURL string) (rueidis.Client, error) {
	opts, err := rueidis.ParseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("redis URL is not valid (want redis://[user:password@]host:port[/db])")
	}
	opts.DisableCache = true
	opts.AlwaysRESP2 = false
	opts.Dialer.Timeout = dialTimeout
	opts.ConnWriteTimeout = writeTimeout
	opts.AlwaysPipelining = true
	client, err := rueidis.NewClient(opts)
	if err != nil {
		return nil, fmt.Errorf("redis at %s does not answer: %w", hostOf(rawURL), err)
	}
	if err := client.Do(ctx, client.B().Ping().Build()).Error(); err != nil {
		client.Close()
		return nil, fmt.Errorf("redis at %s does not answer: %w", hostOf(rawURL), err)
	}
	return client, nil
}

func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "the configured address"
	}
	return u.Host
}

// Key names a key of a sale. The braces are the cluster's hash tag: all keys of a sale share a
// slot, so that one script may touch them together.
func Key(saleID, name string) string { return "ps:{" + saleID + "}:" + name }
