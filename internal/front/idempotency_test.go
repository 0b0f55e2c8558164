package front

import (
	"errors"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/problem"
)

func TestTheSameKeyIsWorkedOnOnceAtATime(t *testing.T) {
	k := newKeys()
	one := k.hash([]byte("reserve"), []byte("demo"), []byte("open"), []byte("k-1"))
	if err := k.begin(one); err != nil {
		t.Fatal(err)
	}
	if err := k.begin(one); !errors.Is(err, problem.InFlight) {
		t.Fatalf("got %v, want in_flight", err)
	}
	for _, other := range []uint64{
		k.hash([]byte("order"), []byte("demo"), []byte("open"), []byte("k-1")),
		k.hash([]byte("reserve"), []byte("demo"), []byte("pass:1"), []byte("k-1")),
		k.hash([]byte("reserve"), []byte("demo"), []byte("open"), []byte("k-2")),
		k.hash([]byte("reserve"), []byte("demo"), []byte("openk"), []byte("-1")),
	} {
		if err := k.begin(other); err != nil {
			t.Fatalf("another request was refused: %v", err)
		}
	}
	k.end(one)
	if err := k.begin(one); err != nil {
		t.Fatalf("after its end: %v", err)
	}
}

func TestKeysUnderWayAreBounded(t *testing.T) {
	k := newKeys()
	var refused error
	for i := range uint64(maxKeysInFlight + 1) {
		refused = k.begin(i * keyShards) // all in one shard
	}
	if !errors.Is(refused, problem.Overloaded) {
		t.Fatalf("got %v, want overloaded", refused)
	}
}

func TestIdempotencyKeysAreVisibleASCII(t *testing.T) {
	if _, err := idempotencyKey(nil); !errors.Is(err, problem.IdempotencyKeyRequired) {
		t.Fatalf("none: %v", err)
	}
	for _, bad := range []string{"a b", "a\x7f", "ä", "\x01", strings.Repeat("k", 256)} {
		if _, err := idempotencyKey([]byte(bad)); !errors.Is(err, problem.BadRequest) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got, err := idempotencyKey([]byte(strings.Repeat("~", 255))); err != nil || len(got) != 255 {
		t.Fatalf("the longest: %v", err)
	}
}
