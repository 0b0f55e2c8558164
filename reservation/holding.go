package reservation

import (
	"context"
	"slices"

	"github.com/penstock/penstock/internal/problem"
)

// Holds reports whether a bearer's pass holds units that are not ordered. When that is not known, as of a pass
// that is over or has made many reservations, it is true. Concurrent calls are combined. Codes: overloaded,
// unavailable.
func (s *Stock) Holds(ctx context.Context, bearer string) (bool, error) {
	if !validBearer(bearer) {
		return false, problem.With(problem.BadRequest, "the bearer is 1 to 128 visible ASCII characters")
	}
	holds, err := s.holdings.Do(ctx, bearer)
	return err != nil || holds, waited("holding", err)
}

// MaxHoldsEach bounds the bearers of one call of HoldsEach: together they have made less than unpackMost reservations.
const MaxHoldsEach = 400

// HoldsEach reports of each bearer, MaxHoldsEach at most, whether its pass holds units that are not ordered, or may.
// A pass that is active and of which no reservation is known has made none: a loss of Redis keeps with each
// reservation who made it. Codes: unavailable.
func (s *Stock) HoldsEach(ctx context.Context, bearers []string) ([]bool, error) {
	if len(bearers) == 0 {
		return nil, nil
	}
	if len(bearers) > MaxHoldsEach || slices.ContainsFunc(bearers, func(b string) bool { return !validBearer(b) }) {
		return nil, problem.With(problem.BadRequest, "want at most 400 bearers of 1 to 128 visible ASCII characters")
	}
	answers, err := s.askHolding(ctx, bearers)
	if err != nil {
		return nil, waited("holding", err)
	}
	holds := make([]bool, len(answers))
	for i, answer := range answers {
		holds[i] = answer != holdsNothing && answer != reservedNothing
	}
	return holds, nil
}

func (s *Stock) runHolding(ctx context.Context, bearers []string) ([]bool, error) {
	answers, err := s.askHolding(ctx, bearers)
	if err != nil {
		return nil, err
	}
	holds := make([]bool, len(answers))
	for i, answer := range answers {
		holds[i] = answer != holdsNothing
	}
	return holds, nil
}

// What holding.lua says of a pass, besides that it holds units or may.
const (
	holdsNothing    = 0
	reservedNothing = 2
)

func (s *Stock) askHolding(ctx context.Context, bearers []string) ([]int64, error) {
	args := append([]string{s.keys.records}, bearers...)
	answer, err := holdingScript.Exec(ctx, s.deps.Redis, []string{s.keys.stock, s.keys.customers}, args).AsIntSlice()
	if err != nil {
		return nil, s.failed("holding", err)
	}
	if len(answer) == 0 {
		return nil, errAnswer
	}
	if answer[0] != answerOK {
		return nil, s.refused(answer[0])
	}
	if len(answer) != 1+len(bearers) {
		return nil, errAnswer
	}
	return answer[1:], nil
}
