package testenv

import (
	"context"
	"testing"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
)

// EachRedis runs a test against the embedded Redis and against a real one, each empty.
func EachRedis(t *testing.T, test func(t *testing.T, client rueidis.Client)) {
	t.Helper()
	EachRedisURL(t, func(t *testing.T, url string) { test(t, ConnectRedis(t, url)) })
}

// EachRedisURL is EachRedis for a test that connects by itself.
func EachRedisURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, MiniURL(t)) })
	t.Run("real", func(t *testing.T) { test(t, Redis(t).URL) })
}

// MiniURL starts the in-process Redis, as Mini does, and returns its URL.
func MiniURL(t testing.TB) string {
	t.Helper()
	return "redis://" + Mini(t).Addr()
}

// ConnectRedis connects until the test ends.
func ConnectRedis(t testing.TB, url string) rueidis.Client {
	t.Helper()
	client, err := redis.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
