package degrade

import "time"

// State is the level in force and how it came about.
type State struct {
	Level  Level     `json:"level"`  // in force
	Since  time.Time `json:"since"`  // since when it is
	Reason string    `json:"reason"` // one sentence for people

	Measured      Level     `json:"measured"`       // what pressure alone calls for
	MeasuredSince time.Time `json:"measured_since"` // since when it does
	MeasuredAt    time.Time `json:"measured_at"`    // when the leader last looked
	MeasuredBy    string    `json:"measured_by,omitempty"`
	Pressure      Pressure  `json:"pressure"` // what it saw

	// Override is the level an operator pinned, nil when none is. By and At tell who set or
	// lifted it last, and when; both are zero when nobody ever did.
	Override   *Level    `json:"override,omitempty"`
	OverrideBy string    `json:"override_by,omitempty"`
	OverrideAt time.Time `json:"override_at,omitzero"`

	measuredReason string
	timers         timers
}

// timers is what Next remembers between two measurements. It stays with the leader: a new leader
// starts with the level it finds and fresh timers, which can only delay a change.
type timers struct {
	sampledAt  time.Time
	aboveSince [Survival + 1]time.Time // by level; zero = pressure is below it
	calmSince  time.Time               // zero = not calm at the current level
}

// Next is the state after measuring p at now: up to the highest level whose thresholds p has
// reached without a break for limits.RiseAfter (levels may be skipped on the way up), down one
// level at a time after limits.FallAfter below the current level's lower thresholds.
//
// It has no effect and reads no clock. More pressure never gives a lower level. Now must not go
// backwards from call to call.
func Next(s State, p Pressure, now time.Time, limits Limits) State {
	s.Pressure = p
	s.MeasuredAt = now
	s.timers = s.timers.sample(s.Measured, p, now, limits)

	if to := s.timers.rise(s.Measured, now, limits); to > s.Measured {
		s.Measured, s.MeasuredSince = to, now
		s.timers.calmSince = time.Time{}
	} else if s.timers.calm(s.Measured, now, limits) {
		s.Measured, s.MeasuredSince = s.Measured-1, now
		s.timers.calmSince = time.Time{}
	}
	s.measuredReason = explain(s.Measured, p, limits)
	return s.settle()
}

func (t timers) sample(current Level, p Pressure, now time.Time, limits Limits) timers {
	if !t.sampledAt.IsZero() && now.Sub(t.sampledAt) > limits.MaxGap {
		t = timers{}
	}
	t.sampledAt = now
	for l := Elevated; l <= Survival; l++ {
		_, above := limits.reaches(p, l, 1)
		t.aboveSince[l] = since(t.aboveSince[l], above, now)
	}
	_, pressed := limits.reaches(p, current, limits.FallRatio)
	t.calmSince = since(t.calmSince, current > Normal && !pressed, now)
	return t
}

// since keeps the moment at which a condition began to hold, or forgets it.
func since(began time.Time, holds bool, now time.Time) time.Time {
	switch {
	case !holds:
		return time.Time{}
	case began.IsZero():
		return now
	default:
		return began
	}
}

func (t timers) rise(current Level, now time.Time, limits Limits) Level {
	for l := Survival; l > current; l-- {
		if began := t.aboveSince[l]; !began.IsZero() && now.Sub(began) >= limits.RiseAfter {
			return l
		}
	}
	return current
}

func (t timers) calm(current Level, now time.Time, limits Limits) bool {
	return current > Normal && !t.calmSince.IsZero() && now.Sub(t.calmSince) >= limits.FallAfter
}

// explain says why the measured level is what it is: the figure that holds it up, or that calm is
// being waited for.
func explain(measured Level, p Pressure, limits Limits) string {
	if measured == Normal {
		return "no pressure"
	}
	if reason, ok := limits.reaches(p, measured, limits.FallRatio); ok {
		return reason
	}
	return "pressure has eased, waiting for calm to last"
}

// settle derives what is in force from what is measured and what is pinned.
func (s State) settle() State {
	if s.Override != nil {
		s.Level, s.Since = *s.Override, s.OverrideAt
		s.Reason = "set to " + s.Level.String() + " by " + s.OverrideBy
		return s
	}
	s.Level, s.Since, s.Reason = s.Measured, s.MeasuredSince, s.measuredReason
	if s.OverrideAt.After(s.Since) { // the measured level has been in force since the pin was lifted
		s.Since = s.OverrideAt
	}
	return s
}
