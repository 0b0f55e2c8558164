package console

import (
	"net/http"

	"github.com/penstock/penstock/internal/bots"
)

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
	return writeJSON(w, http.StatusOK, bots.NewReport(counts))
}

// ruleWords say a rule to an operator.
func ruleWords(rule bots.Rule) string {
	switch rule {
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
		return string(rule)
	}
}

// outcomeWords say what became of the newcomers.
func outcomeWords(outcome bots.Outcome) string {
	switch outcome {
	case bots.Noted:
		return "let in"
	case bots.Blocked:
		return "turned away"
	case bots.Decoyed:
		return "got a decoy"
	case bots.WouldDecoy:
		return "of those turned away: would have got a decoy"
	default:
		return string(outcome)
	}
}
