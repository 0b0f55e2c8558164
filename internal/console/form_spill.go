package console

import (
	"strings"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

const (
	// everyChannel stands for the empty target of a rule.
	everyChannel = "*"
	wantSpill    = "enter a line for each rule, such as: market to web after 30m, or: app to * when sold_out, or: app to web at 2026-12-01T10:30:00Z"
)

// spill reads a line for each rule: "<channel> to <channel> after <duration>", with "at <time>" or "when sold_out" in
// place of the last two words. "*" stands for every other channel, and is no name of one.
func (f *saleForm) spill() []sale.Spill {
	var rules []sale.Spill
	for line := range strings.Lines(f.Spill) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(rules) > sale.MaxSpill {
			break // package sale says that they are too many
		}
		rule, ok := readSpill(words)
		if !ok {
			f.fault("spill", wantSpill)
			return nil
		}
		rules = append(rules, rule)
	}
	return rules
}

func readSpill(words []string) (rule sale.Spill, ok bool) {
	if len(words) != 5 || words[1] != "to" {
		return sale.Spill{}, false
	}
	rule.From = words[0]
	if words[2] != everyChannel {
		rule.To = words[2]
	}
	var err error
	switch words[3] {
	case "after":
		var after time.Duration
		after, err = time.ParseDuration(words[4])
		rule.After = sale.Duration(after)
	case "at":
		rule.At, err = time.Parse(time.RFC3339, words[4])
	case "when":
		rule.When = sale.SpillWhen(words[4])
	default:
		return sale.Spill{}, false
	}
	return rule, err == nil
}

// showSpill is the inverse of spill.
func showSpill(rules []sale.Spill) string {
	lines := make([]string, 0, len(rules))
	for _, rule := range rules {
		to, moment := rule.To, "when "+string(rule.When)
		if to == "" {
			to = everyChannel
		}
		switch {
		case rule.After != 0:
			moment = "after " + rule.After.String()
		case !rule.At.IsZero():
			moment = "at " + rule.At.UTC().Format(time.RFC3339Nano)
		}
		lines = append(lines, rule.From+" to "+to+" "+moment)
	}
	return strings.Join(lines, "\n")
}
