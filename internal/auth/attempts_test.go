package auth

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func fail(a *Attempts, from string, now time.Time, times int) {
	for range times {
		a.Failed(netip.MustParseAddr(from), now)
	}
}

func allowed(a *Attempts, from string, now time.Time) bool {
	return a.Wait(netip.MustParseAddr(from), now) == 0
}

func TestFailuresUseUpTheAllowanceOfTheirAddressOnly(t *testing.T) {
	a, now := NewAttempts(), time.Now()
	fail(a, "192.0.2.1", now, failBurst-1)
	if !allowed(a, "192.0.2.1", now) {
		t.Fatal("refused too early")
	}
	fail(a, "192.0.2.1", now, 1)
	if allowed(a, "192.0.2.1", now) {
		t.Fatal("the allowance is used up, from whatever port")
	}
	if !allowed(a, "192.0.2.2", now) {
		t.Fatal("another address pays for it")
	}
	if wait := a.Wait(netip.MustParseAddr("192.0.2.1"), now); wait <= 0 || wait > failEvery {
		t.Fatalf("told to wait for %v", wait)
	}
	if !allowed(a, "192.0.2.1", now.Add(failEvery)) {
		t.Fatal("the allowance must come back")
	}
}

func TestAnIPv6SiteIsOneAddress(t *testing.T) {
	a, now := NewAttempts(), time.Now()
	for i := range failBurst {
		fail(a, fmt.Sprintf("2001:db8::%x", i), now, 1)
	}
	if allowed(a, "2001:db8::ffff", now) {
		t.Fatal("one site tried its many addresses")
	}
	if !allowed(a, "2001:db8:0:1::1", now) {
		t.Fatal("another site pays for it")
	}
}

func TestManyAddressesTogetherAreLimitedAndTheMapIsBounded(t *testing.T) {
	a, now := NewAttempts(), time.Now()
	for i := range maxAddresses + 100 {
		fail(a, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now, 1)
	}
	if allowed(a, "192.0.2.9", now) {
		t.Fatal("the limit over all does not hold")
	}
	if len(a.byAddress) > maxAddresses {
		t.Fatalf("%d addresses kept", len(a.byAddress))
	}
	later := now.Add(time.Hour)
	fail(a, "192.0.2.9", later, 1)
	if len(a.byAddress) != 1 {
		t.Fatalf("%d addresses kept after an hour", len(a.byAddress))
	}
}
