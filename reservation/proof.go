package reservation

import (
	"strings"

	"github.com/penstock/penstock/internal/problem"
)

// Proof is what a caller has shown of a right to dispose of a reservation. The zero Proof shows nothing.
type Proof struct {
	// Proved says that the caller has a right to it, whoever made it.
	Proved bool
	// Bearers is whom the caller is known to be. One of them must have made the reservation.
	Bearers []string
}

// maxBearers bounds the bearers of a proof.
const maxBearers = 32

// word is the proof as the scripts take it; see scripts/shared/holder.lua.
func (p Proof) word() string {
	if p.Proved {
		return nothing
	}
	if len(p.Bearers) == 1 && validBearer(p.Bearers[0]) {
		return p.Bearers[0]
	}
	words := make([]string, 0, maxBearers)
	for _, bearer := range p.Bearers[:min(len(p.Bearers), maxBearers)] {
		if validBearer(bearer) {
			words = append(words, bearer)
		}
	}
	return strings.Join(words, " ")
}

func notTheHolder() error {
	return problem.With(problem.NotTheHolder, "the reservation was made by somebody else")
}
