package redis

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
)

// RunID names the run of the Redis server: it differs after a restart, and on the replica that
// takes over from a lost master, both of which may have come back with an older state. It is ""
// where one id says nothing: on a cluster, and on an engine that has none.
func RunID(ctx context.Context, client rueidis.Client) (string, error) {
	if len(client.Nodes()) > 1 {
		return "", nil
	}
	text, err := client.Do(ctx, client.B().Info().Section("server").Build()).ToString()
	if _, refused := rueidis.IsRedisErr(err); refused {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask redis for its run id: %w", err)
	}
	for line := range strings.Lines(text) {
		if id, found := strings.CutPrefix(line, "run_id:"); found {
			return strings.TrimSpace(id), nil
		}
	}
	return "", nil
}
