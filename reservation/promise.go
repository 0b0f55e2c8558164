package reservation

import (
	"context"
	"fmt"

	"github.com/penstock/penstock/internal/problem"
)

// enqueue sends records of journaled reservations to the journal without waiting.
func (s *Stock) enqueue(durability byte, kind byte, cores []string, records []record) {
	if durability != 'j' || s.deps.Enqueue == nil {
		return
	}
	out := make([][]byte, 0, len(cores))
	for i := range cores {
		data, err := encodeJournal(kind, cores[i], &records[i])
		if err != nil {
			s.deps.Log.Error("a reservation cannot be journaled", "sale", s.sale, "error", err)
			continue
		}
		out = append(out, data)
	}
	s.deps.Enqueue(s.sale, out)
}

// journal appends a durable reservation's record and waits until it is fsynced; concurrent ones
// travel together. When it fails the caller may repeat the request, which journals again.
func (s *Stock) journal(ctx context.Context, kind byte, core string, r *record) error {
	if r.durability != 'd' || s.deps.Journal == nil {
		return nil
	}
	data, err := encodeJournal(kind, core, r)
	if err != nil {
		return err
	}
	_, err = s.journaling.Do(ctx, data)
	return waited("journal", err)
}

func (s *Stock) runJournal(ctx context.Context, records [][]byte) ([]struct{}, error) {
	if err := s.deps.Journal(ctx, s.sale, records); err != nil {
		s.deps.Log.Warn("the journal failed", "sale", s.sale, "error", err)
		return nil, fmt.Errorf("journal: %w: %w", problem.Unavailable, err)
	}
	return make([]struct{}, len(records)), nil
}

// tell journals a change of one reservation in the way it was promised.
func (s *Stock) tell(ctx context.Context, kind byte, core string, r *record) error {
	s.enqueue(r.durability, kind, []string{core}, []record{*r})
	return s.journal(ctx, kind, core, r)
}
