package console

import (
	"net/http"

	"github.com/penstock/penstock/internal/bots"
)

// botsView is what became of the newcomers of a sale.
type botsView struct {
	People     int64      `json:"people"`
	LikelyBots int64      `json:"likely_bots"`
	Blocked    int64      `json:"blocked"`
	Rules      []ruleView `json:"rules"`
}

type ruleView struct {
	Rule    bots.Rule    `json:"rule"`
	Outcome bots.Outcome `json:"outcome"`
	Count   int64        `json:"count"`
}

func viewBots(counts []bots.Count) botsView {
	report := bots.NewReport(counts)
	view := botsView{People: report.People, LikelyBots: report.LikelyBots, Blocked: report.Blocked, Rules: make([]ruleView, len(report.Rules))}
	for i, one := range report.Rules {
		view.Rules[i] = ruleView{Rule: one.Rule, Outcome: one.Outcome, Count: one.N}
	}
	return view
}

// getBots tells how many newcomers of a sale got a place, were noticed, and were turned away.
func (c *Console) getBots(w http.ResponseWriter, r *http.Request, _ caller) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	counts, err := c.deps.Ledger.Newcomers(r.Context(), rec.ID)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, viewBots(counts))
}

// RuleWords say a rule to an operator.
func (v ruleView) RuleWords() string {
	switch v.Rule {
	case bots.JoinsPerAddress:
		return "Too many places for one address"
	case bots.JoinsPerNetwork:
		return "Too many places for one network"
	case bots.JoinsPerKey:
		return "Too many places for one customer"
	case bots.WrongProof:
		return "A wrong proof of work"
	case bots.Datacentre:
		return "From a data centre"
	default:
		return string(v.Rule)
	}
}

// OutcomeWords say what became of them.
func (v ruleView) OutcomeWords() string {
	switch v.Outcome {
	case bots.Noted:
		return "let in"
	case bots.Blocked:
		return "turned away"
	default:
		return string(v.Outcome)
	}
}
