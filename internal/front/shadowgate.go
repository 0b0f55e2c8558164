package front

import (
	"errors"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/shadow"
)

// headerShadowOut tells the shop what would have become of a visitor.
var headerShadowOut = []byte("Penstock-Shadow")

// admitInShadow lets everybody pass, and counts what would have become of them.
func (s *Server) admitInShadow(entry *salecache.Entry, presented tokens, from visitorPlace) admitted {
	got, err := s.admitTo(entry, presented, from, false)
	verdict := shadow.GateVerdict{Admit: err == nil}
	switch {
	case err == nil:
	case errors.Is(err, problem.Unavailable):
		verdict.Reason = string(problem.Unavailable)
	case !entry.Phase().Running():
		verdict.Reason = string(problem.SaleNotOpen)
	case !presented.any():
		verdict.Reason = string(problem.PassRequired)
	default:
		verdict.Reason = string(problem.PassInvalid)
	}
	if s.Shadow != nil {
		s.Shadow.Gate(entry.ID(), verdict)
	}
	got.shadow = verdict.String()
	return got
}

// any reports whether there is a token at all.
func (t *tokens) any() bool {
	for range t.all {
		return true
	}
	return false
}
