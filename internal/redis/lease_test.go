package redis_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/penstock/penstock/internal/redis"
)

func TestOneOwnerAtATimeHoldsALease(t *testing.T) {
	ctx := context.Background()
	engine := miniredis.RunT(t)
	client, err := redis.Connect(ctx, "redis://"+engine.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	first := redis.NewLease(client, "lease", "a", time.Second)
	second := redis.NewLease(client, "lease", "b", time.Second)
	holds := func(who string, l *redis.Lease, want bool) {
		t.Helper()
		if got, err := l.Hold(ctx); err != nil || got != want {
			t.Fatalf("%s holds the lease: %v, %v; want %v", who, got, err, want)
		}
	}
	holds("first", first, true)
	holds("second", second, false)
	holds("first again", first, true)
	engine.FastForward(1100 * time.Millisecond)
	holds("second after the lapse", second, true)
	if err := first.Release(ctx); err != nil {
		t.Fatal(err)
	}
	holds("second, whom another's release does not touch", second, true)
	if err := second.Release(ctx); err != nil {
		t.Fatal(err)
	}
	holds("first after the release", first, true)
}

func TestAnUnreachableServerIsNamedWithoutItsPassword(t *testing.T) {
	_, err := redis.Connect(context.Background(), "redis://user:hunter2@127.0.0.1:1")
	if err == nil {
		t.Fatal("port 1 answered")
	}
	text := err.Error()
	if !strings.Contains(text, "127.0.0.1:1") || strings.Contains(text, "hunter2") {
		t.Fatalf("error: %s", text)
	}
}
