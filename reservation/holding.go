package reservation

import (
	"context"

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

func (s *Stock) runHolding(ctx context.Context, bearers []string) ([]bool, error) {
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
	holds := make([]bool, len(bearers))
	for i := range bearers {
		holds[i] = answer[1+i] != 0
	}
	return holds, nil
}
