package front

import (
	"errors"
	"strings"
	"testing"
	"time"

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

func TestGrantsAreBoundedAndForgettingIsOwnedUpTo(t *testing.T) {
	k := newKeys()
	now := time.Unix(1000, 0)
	for i := range uint64(maxKeysGranted) {
		k.grant(i*keyShards, now, time.Minute)
	}
	if !k.mayBeGranted(0) || k.mayBeGranted(1) {
		t.Fatal("memory is wrong about what was granted")
	}
	later := now.Add(2 * time.Minute)
	k.grant(maxKeysGranted*keyShards, later, time.Minute)
	if k.mayBeGranted(0) || k.mayBeGranted(1) {
		t.Fatal("what had lapsed should make room, and be forgotten without loss")
	}
	for i := range uint64(maxKeysGranted) {
		k.grant((i+maxKeysGranted+1)*keyShards, later, time.Minute)
	}
	if len(k.shard(0).granted) > maxKeysGranted {
		t.Fatalf("%d grants are kept", len(k.shard(0).granted))
	}
	if !k.mayBeGranted(1) {
		t.Fatal("after forgetting a grant nothing can be ruled out any more")
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
