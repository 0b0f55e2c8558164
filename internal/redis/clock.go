package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// Now asks Redis for the time. It is the one clock by which sales open and end.
func Now(ctx context.Context, client rueidis.Client) (time.Time, error) {
	parts, err := client.Do(ctx, client.B().Time().Build()).AsStrSlice()
	if err != nil {
		return time.Time{}, fmt.Errorf("ask redis for the time: %w", err)
	}
	if len(parts) != 2 {
		return time.Time{}, fmt.Errorf("redis TIME answered %d parts", len(parts))
	}
	seconds, errSeconds := strconv.ParseInt(parts[0], 10, 64)
	micros, errMicros := strconv.ParseInt(parts[1], 10, 64)
	if errSeconds != nil || errMicros != nil {
		return time.Time{}, fmt.Errorf("redis TIME answered %q", parts)
	}
	return time.Unix(seconds, micros*int64(time.Microsecond)).UTC(), nil
}
