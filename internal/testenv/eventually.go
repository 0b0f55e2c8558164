package testenv

import (
	"testing"
	"time"
)

// Eventually waits until ok returns true and fails the test if it has not
// within the given time; what completes "waited for …".
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain for %s", within, what)
		}
		<-tick.C
	}
}
