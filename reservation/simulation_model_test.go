//go:build simulations

package reservation

import (
	"testing"

	"github.com/penstock/penstock/internal/testenv"
)

func TestSimulationAgainstTheModelWithAClockInHand(t *testing.T) {
	mini := testenv.Mini(t)
	checkModel(t, testenv.ConnectRedis(t, "redis://"+mini.Addr()), mini.SetTime)
}
