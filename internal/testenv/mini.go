package testenv

import (
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/penstock/penstock/internal/embedded"
)

// Mini starts the in-process Redis that the embedded mode uses; it ends with
// the test. Clients must disable client-side caching.
func Mini(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	engine := miniredis.RunT(t)
	if err := embedded.AnswerInfo(engine); err != nil {
		t.Fatal(err)
	}
	return engine
}
