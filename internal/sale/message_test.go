package sale

import (
	"testing"
	"time"
)

func TestAMessageEndsWithItsPhaseOrAtItsMoment(t *testing.T) {
	now := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	inPhase, until := NewNotice("soon", time.Time{}, PhasePrequeue), NewNotice("soon", now.Add(time.Minute), PhasePrequeue)
	old := Notice{Message: "soon"} // of an earlier version, which kept no phase
	for _, c := range []struct {
		name   string
		notice Notice
		at     time.Time
		phase  Phase
		want   string
	}{
		{"in its phase", inPhase, now.Add(time.Hour), PhasePrequeue, "soon"},
		{"in the next", inPhase, now, PhaseLive, ""},
		{"before its moment", until, now.Add(time.Minute - 1), PhaseLive, "soon"},
		{"at its moment", until, now.Add(time.Minute), PhasePrequeue, ""},
		{"without either", old, now.Add(time.Hour), PhaseEnded, "soon"},
		{"none", NewNotice("", now.Add(time.Minute), PhaseLive), now, PhaseLive, ""},
		{"its phase was ended by hand", inPhase.WithoutPhase(), now, PhasePrequeue, ""},
		{"another phase was ended by hand", until.WithoutPhase(), now, PhaseLive, "soon"},
	} {
		if got := c.notice.MessageAt(c.at, c.phase); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
