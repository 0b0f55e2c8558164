package redis_test

import (
	"context"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/redis"
)

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
