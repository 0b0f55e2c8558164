package bots

import (
	"fmt"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

func TestAnAddressThatGaveBackManyOwesSomeTime(t *testing.T) {
	l, limits := NewLimits(DefaultBuckets), sale.Limits{ReleasesPerAddress: 10}.Resolved()
	owes := func(address string, at time.Duration) (Rule, time.Duration) {
		owed := l.Owed(from(address), limits, start.Add(at))
		if !owed.Refused() {
			return "", 0
		}
		return owed.Tightest, owed.Wait
	}
	for i := range 10 {
		if rule, wait := owes("192.0.2.7", 0); wait > 0 {
			t.Fatalf("release %d: owes %s %s", i, rule, wait)
		}
		l.Released(from("192.0.2.7"), limits, start)
	}
	if rule, wait := owes("192.0.2.7", 0); rule != ReleasesPerAddress || wait != 6*time.Second {
		t.Fatalf("owes %s %s", rule, wait)
	}
	if _, wait := owes("192.0.2.8", 0); wait > 0 {
		t.Fatal("its neighbour owes something")
	}
	if _, wait := owes("192.0.2.7", 6*time.Second); wait > 0 {
		t.Fatalf("it still owes %s after that", wait)
	}
	for range 10_000 {
		l.Released(from("192.0.2.7"), limits, start.Add(6*time.Second))
	}
	if _, wait := owes("192.0.2.7", 6*time.Second); wait < time.Minute || wait > time.Minute+6*time.Second {
		t.Fatalf("after far too many it owes %s", wait)
	}
}

func TestANetworkThatGaveBackManyOwesSomeTimeFromHoweverManyAddresses(t *testing.T) {
	l, limits := NewLimits(DefaultBuckets), sale.Limits{ReleasesPerNetwork: 50}.Resolved()
	for i := range 50 {
		l.Released(from(fmt.Sprintf("192.0.2.%d", i)), limits, start)
	}
	if owed := l.Owed(from("192.0.2.200"), limits, start); !owed.Refused() || owed.Tightest != ReleasesPerNetwork {
		t.Fatalf("%+v", owed)
	}
	if owed := l.Owed(from("198.51.100.1"), limits, start); owed.Refused() {
		t.Fatalf("another network: %+v", owed)
	}
}

func TestWhoGaveNothingBackTakesNoMemory(t *testing.T) {
	l, limits := NewLimits(DefaultBuckets), sale.Limits{}.Resolved()
	for i := range 100 {
		l.Owed(from(fmt.Sprintf("192.0.2.%d", i)), limits, start)
	}
	if l.Kept() > 0 {
		t.Fatalf("%d buckets are kept", l.Kept())
	}
}
