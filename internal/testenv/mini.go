package testenv

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// Mini starts the in-process Redis that the embedded mode uses; it ends with
// the test. Clients must disable client-side caching.
func Mini(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	return miniredis.RunT(t)
}
