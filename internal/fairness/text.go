package fairness

import (
	"cmp"
	"fmt"
	"io"
)

// OK reports whether everything holds. What is unknown does not.
func (r *Report) OK() bool { return r.Verdict == Holds }

// WriteText prints the report for a person.
func (r *Report) WriteText(w io.Writer) error {
	p := printer{w: w}
	p.line("%s (%s), made %s", r.Sale, cmp.Or(r.Name, r.Sale), stamp(r.MadeAt))
	p.line("  joined %d  called %d  admitted %d  inversions %d", r.Line.Joined, r.Line.Called, r.Line.Admitted, r.Line.Inversions)
	if r.Line.Uncertain > 0 {
		p.line("  %d numbers may belong to nobody, after a loss of redis", r.Line.Uncertain)
	}
	p.line("  most in any 60 s: %d of %d  most passes in force: %s of %d", r.Minute.Most, r.Minute.Limit, r.Active.text(), r.Active.Limit)
	p.line("  keys %d  their places %d  duplicates %d", r.Keys.Count, r.Keys.Places, r.Keys.Duplicates)
	if r.Bots == nil {
		p.line("  bots removed: not recorded")
	} else {
		p.line("  bots removed: %d", r.Bots.Removed)
	}
	p.draw(r)
	p.line("  trust (%s): %s", r.Trust.Kind, r.Trust.Detail)
	for _, c := range r.Checks {
		p.line("  %-7s %s: %s", c.Verdict, c.Name, c.Detail)
	}
	switch r.Verdict {
	case Holds:
		p.line("everything holds")
	case Broken:
		p.line("BROKEN: at least one check does not hold")
	default:
		p.line("NOT KNOWN: at least one check cannot be decided, and what is not known is not good")
	}
	return p.err
}

// lane is how a lane is called; 0 is that of everybody.
func (r *Report) lane(i int) string {
	switch {
	case i == 0:
		return "everybody"
	case i <= len(r.Lanes):
		return "lane " + r.Lanes[i-1]
	default:
		return fmt.Sprintf("lane %d", i)
	}
}

func (a *Active) text() string {
	if a.Counted != nil {
		return fmt.Sprint(*a.Counted)
	}
	return fmt.Sprintf("at most %d", a.AtMost)
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) draw(r *Report) {
	d := r.Draw
	if d == nil {
		return
	}
	p.line("  commitment      %s", d.Commitment)
	if d.Count != nil {
		p.line("  entrants drawn  %d, frozen %s, published %s", *d.Count, stamp(d.FrozenAt), stamp(d.PublishedAt))
		for i, count := range d.Lanes {
			p.line("    %-13s %d", r.lane(i), count)
		}
	}
	if d.Seed != "" {
		p.line("  seed            %s", d.Seed)
	}
	if b := d.Beacon; b != nil {
		p.line("  beacon          round %d of %s, published %s", b.Round, b.ChainHash, stamp(b.RoundAt))
		p.line("  signature       %s", cmp.Or(b.Signature, "missing"))
	}
	for _, share := range d.Shares {
		p.line("  share of %s  %s", share.Party, cmp.Or(share.Value, "missing"))
	}
	if d.CompletedSeed != "" {
		p.line("  completed seed  %s", d.CompletedSeed)
	}
}
