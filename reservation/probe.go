package reservation

import "context"

// Probe decides a request as Reserve would at this moment, by the same script, and holds nothing. It is nil
// when the units would be held, or the request has held them before.
//
// Codes: those of Reserve.
func (s *Stock) Probe(ctx context.Context, req Request) error {
	one, err := s.prepare(&req)
	if err != nil {
		return err
	}
	one.identify(&req)
	asks := []*ask{one}
	keys, args := s.reserveArgs(asks, len(one.lines), probe)
	answer, err := reserveScript.Exec(ctx, s.deps.Redis, keys, args).ToArray()
	switch {
	case err != nil:
		return s.failed("probe", err)
	case len(answer) == 0:
		return errAnswer
	}
	decided := make([]decision, 1)
	if err := s.readDecisions(asks, answer, decided); err != nil {
		return err
	}
	return decided[0].err
}
