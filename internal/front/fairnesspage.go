package front

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/fairness"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/words"
)

// fairnessPage is what the page of a report shows. It works without JavaScript.
type fairnessPage struct {
	Head      pageHead
	Words     *words.Language
	Languages []languageLink

	Name, Lead, Trust string
	Figures           []fairnessRow
	Proofs            []fairnessRow // of the draw; not translated
	Checks            []fairness.Check
	FilePath          string
	ScriptPath        string
	Command           string
}

type fairnessRow struct{ Label, Value string }

// scriptName is the program among the static files that checks a report again.
const scriptName = "recheck.mjs"

// fairnessPath is where people read the report on a sale.
func fairnessPath(saleID []byte) string { return roomPath(saleID) + "/fairness" }

// getFairnessPage shows the report on an ended sale to people.
func (s *Server) getFairnessPage(c *call) error {
	var offered []string
	theme := ""
	if c.entry != nil {
		rec := c.entry.Record()
		offered, theme = rec.Page.Languages, themePath(&rec)
	}
	spoken := s.language(c, offered, "")
	head := pageHead{AssetsVersion: s.pages.version, Language: spoken.Tag, Direction: spoken.Direction, Theme: theme}
	found, err := s.fairness(c)
	if errors.Is(err, problem.NoReport) {
		s.refused(c, problem.NoReport)
		view := refusalView{Head: head, Headline: spoken.Text("fairness.headline"), Lead: spoken.Text("fairness.not_yet")}
		return s.sendPage(c, 404, "refusal.html", pagePolicy{}, &view)
	}
	if err != nil {
		return err
	}
	page := newFairnessPage(spoken.Language, &found.told)
	page.Head, page.Languages = head, c.languageLinks(spoken)
	return s.sendPage(c, 200, "fairness.html", pagePolicy{}, &page)
}

func newFairnessPage(l *words.Language, r *fairness.Report) fairnessPage {
	p := fairnessPage{
		Words: l, Name: r.Name, Lead: l.Text("fairness.lead_" + string(r.Verdict)), Checks: r.Checks,
		Trust:    l.Text("fairness.trust_"+string(r.Trust.Kind), "parties", strings.Join(r.Trust.Parties, ", ")),
		FilePath: "/v1/sales/" + r.Sale + "/fairness", ScriptPath: "/sales/static/" + scriptName,
		Command: "node " + scriptName + " fairness.json",
	}
	if r.Draw != nil && r.Draw.Beacon != nil {
		p.Command += " beacon=https://api.drand.sh"
	}
	p.figures(r)
	p.proofs(r)
	return p
}

func (p *fairnessPage) figures(r *fairness.Report) {
	l := p.Words
	add := func(key, value string) { p.Figures = append(p.Figures, fairnessRow{l.Text("fairness." + key), value}) }
	count := func(n int64) string { return l.Number(uint64(max(n, 0))) }
	of := func(key string, n, limit int64) string {
		return l.Text("fairness."+key, "n", count(n), "limit", count(limit))
	}
	add("joined", l.Number(r.Line.Joined))
	if r.Draw != nil && r.Draw.Count != nil {
		add("drawn", l.Number(*r.Draw.Count))
		p.drawnIn(r)
	}
	add("called", l.Number(r.Line.Called))
	add("admitted", count(r.Line.Admitted))
	add("inversions", count(r.Line.Inversions))
	add("minute", of("of", r.Minute.Most, r.Minute.Limit))
	if r.Active.Counted != nil {
		add("active", of("of", *r.Active.Counted, r.Active.Limit))
	} else {
		add("active", of("at_most", r.Active.AtMost, r.Active.Limit))
	}
	if r.Keys.Count > 0 {
		add("duplicates", count(r.Keys.Duplicates))
	}
	if r.Bots == nil {
		add("bots", l.Text("fairness.not_recorded"))
	} else {
		add("bots", count(r.Bots.Removed))
	}
}

// drawnIn tells how many took part in the draw in each priority lane.
func (p *fairnessPage) drawnIn(r *fairness.Report) {
	for i, name := range r.Lanes {
		if i+1 < len(r.Draw.Lanes) {
			p.Figures = append(p.Figures, fairnessRow{p.Words.Text("fairness.drawn") + ": " + name, p.Words.Number(r.Draw.Lanes[i+1])})
		}
	}
}

func (p *fairnessPage) proofs(r *fairness.Report) {
	d, l := r.Draw, p.Words
	if d == nil {
		return
	}
	add := func(label, value string) {
		if value != "" {
			p.Proofs = append(p.Proofs, fairnessRow{label, value})
		}
	}
	add(l.Text("fairness.commitment"), d.Commitment)
	add(l.Text("fairness.frozen"), exactly(d.FrozenAt))
	add(l.Text("fairness.published"), exactly(d.PublishedAt))
	add(l.Text("fairness.seed"), d.Seed)
	if b := d.Beacon; b != nil {
		add("drand "+strconv.FormatUint(b.Round, 10)+", "+exactly(b.RoundAt), b.Signature)
	}
	for _, share := range d.Shares {
		add(share.Party, share.Value)
	}
	add(l.Text("fairness.completed"), d.CompletedSeed)
}

func exactly(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}

// linkFairness leads from the page of an ended sale to its report.
func (p *roomPage) linkFairness(c *call) {
	if p.Finished && !p.Preview && c.entry != nil && c.entry.Phase() == sale.PhaseEnded {
		p.FairnessPath = fairnessPath(c.sale)
	}
}
