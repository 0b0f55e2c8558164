package console

import (
	"net/http"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
)

// postShare takes the share of a party for the draw. An operator may hand it in, or the party itself, with an API
// key of its name.
func (c *Console) postShare(w http.ResponseWriter, r *http.Request, who caller) error {
	var body struct {
		Party string `json:"party"`
		Share string `json:"share"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	if !who.May(auth.Operator) && who.Name != body.Party {
		return problem.With(problem.Forbidden, "a share is given by an operator, or with an API key whose name is that of the party",
			problem.F("required_role", auth.Operator.String()))
	}
	if err := c.deps.Sales.GiveShare(r.Context(), rec.ID, body.Party, body.Share); err != nil {
		return err
	}
	c.record(r.Context(), who, actShare, rec.ID, map[string]string{"party": body.Party})
	w.WriteHeader(http.StatusNoContent)
	return nil
}
