package sale

import (
	"fmt"
	"slices"
	"time"
)

// MaxSpill is how many rules of spill-over a sale may have.
const MaxSpill = 40

// Spill lets a channel sell units of another one's share that this one has not sold. It is in force After so
// long from the start, or At a moment, or When the other channel has none of its own left; from then on both
// channels may sell the units.
type Spill struct {
	From string `json:"from"`
	// To is the channel that may sell the units; "" stands for every other channel.
	To    string    `json:"to,omitempty"`
	After Duration  `json:"after,omitempty"`
	At    time.Time `json:"at,omitzero"`
	When  SpillWhen `json:"when,omitempty"`
}

// SpillWhen is an event upon which units spill over.
type SpillWhen string

// WhenSoldOut is when the channel that gets the units has none of its own left.
const WhenSoldOut SpillWhen = "sold_out"

// SpillSource is a channel whose units another one may sell, and the moment from which it may.
type SpillSource struct {
	Channel string
	From    time.Time
}

// SpillsTo are the channels whose units a channel may sell once it has none of its own, in the order in which it
// takes them. A rule that waits for no moment is in force from the beginning of time.
func (s Sale) SpillsTo(channel string) []SpillSource {
	var sources []SpillSource
	for _, rule := range s.Spill {
		if rule.From != channel && (rule.To == channel || rule.To == "") {
			sources = append(sources, SpillSource{Channel: rule.From, From: rule.inForce(s.StartsAt)})
		}
	}
	return sources
}

func (r *Spill) inForce(startsAt time.Time) time.Time {
	switch {
	case !r.At.IsZero():
		return r.At
	case r.After != 0:
		return startsAt.Add(r.After.Std())
	default:
		return time.UnixMilli(0)
	}
}

func (s Sale) validateSpill() error {
	if len(s.Spill) > MaxSpill {
		return invalid("spill", "at most %d rules", MaxSpill)
	}
	targets := make(map[string][]string, len(s.Spill))
	for i := range s.Spill {
		rule := &s.Spill[i]
		if err := s.validateRule(fmt.Sprintf("spill[%d]", i), rule); err != nil {
			return err
		}
		if others := targets[rule.From]; slices.Contains(others, rule.To) || len(others) > 0 && (rule.To == "" || slices.Contains(others, "")) {
			return invalid(fmt.Sprintf("spill[%d]", i), "there is a rule for these channels already")
		}
		targets[rule.From] = append(targets[rule.From], rule.To)
	}
	return nil
}

func (s Sale) validateRule(field string, r *Spill) error {
	if _, there := s.Channels[r.From]; !there {
		return invalid(field+".from", "%q is not one of the channels", r.From)
	}
	if _, there := s.Channels[r.To]; r.To != "" && !there {
		return invalid(field+".to", "%q is not one of the channels", r.To)
	}
	if r.From == r.To {
		return invalid(field+".to", "want another channel than from")
	}
	given := 0
	for _, there := range [...]bool{r.After != 0, !r.At.IsZero(), r.When != ""} {
		if there {
			given++
		}
	}
	switch {
	case given != 1:
		return invalid(field, "want one of after, at and when")
	case r.After < 0 || r.After.Std() > MaxSaleLength:
		return invalid(field+".after", "want a duration of the sale, such as 30m")
	case !r.At.IsZero() && (r.At.Before(s.OpensAt) || !r.At.Before(s.EndsAt)):
		return invalid(field+".at", "want a moment between opens_at and ends_at")
	case r.When != "" && r.When != WhenSoldOut:
		return invalid(field+".when", "want sold_out")
	}
	return nil
}
