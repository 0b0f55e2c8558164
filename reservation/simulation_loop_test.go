//go:build simulations

package reservation

import (
	"testing"

	"github.com/penstock/penstock/internal/testenv"
)

// The same loop on the embedded Redis, which is slow with the race detector.
func TestSimulationALoopOfReserveAndReleaseLeavesNothingThatGrows(t *testing.T) {
	mini := testenv.Mini(t)
	nothingGrowsInALoop(t, testenv.ConnectRedis(t, "redis://"+mini.Addr()), func() { mini.FastForward(resolvedKeep) })
}
