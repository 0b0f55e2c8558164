package auth

import (
	"fmt"
	"testing"
	"time"
)

func fail(a *Attempts, address string, now time.Time, times int) {
	for range times {
		a.Failed(address, now)
	}
}

func TestFailuresUseUpTheAllowanceOfTheirAddressOnly(t *testing.T) {
	a, now := NewAttempts(), time.Now()
	fail(a, "192.0.2.1:1000", now, failBurst-1)
	if !a.Allowed("192.0.2.1:2000", now) {
		t.Fatal("refused too early")
	}
	fail(a, "192.0.2.1:1000", now, 1)
	if a.Allowed("192.0.2.1:2000", now) {
		t.Fatal("the allowance is used up, from whatever port")
	}
	if !a.Allowed("192.0.2.2:1000", now) {
		t.Fatal("another address pays for it")
	}
	if !a.Allowed("192.0.2.1:2000", now.Add(failEvery)) {
		t.Fatal("the allowance must come back")
	}
}

func TestAnIPv6SiteIsOneAddress(t *testing.T) {
	a, now := NewAttempts(), time.Now()
	for i := range failBurst {
		a.Failed(fmt.Sprintf("[2001:db8::%x]:99", i), now)
	}
	if a.Allowed("[2001:db8::ffff]:99", now) {
		t.Fatal("one site tried its many addresses")
	}
	if !a.Allowed("[2001:db8:0:1::1]:99", now) {
		t.Fatal("another site pays for it")
	}
}

func TestManyAddressesTogetherAreLimitedAndTheMapIsBounded(t *testing.T) {
	a, now := NewAttempts(), time.Now()
	for i := range maxAddresses + 100 {
		a.Failed(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), now)
	}
	if a.Allowed("192.0.2.9:1", now) {
		t.Fatal("the limit over all does not hold")
	}
	if len(a.byAddress) > maxAddresses {
		t.Fatalf("%d addresses kept", len(a.byAddress))
	}
	later := now.Add(time.Hour)
	a.Failed("192.0.2.9:1", later)
	if len(a.byAddress) != 1 {
		t.Fatalf("%d addresses kept after an hour", len(a.byAddress))
	}
}
