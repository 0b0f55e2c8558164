package console

import (
	"io"
	"net/http"

	"github.com/penstock/penstock/internal/problem"
)

// getFairness gives the report on an ended sale: the bytes that are published.
func (c *Console) getFairness(w http.ResponseWriter, r *http.Request, _ caller) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	report, found, err := c.deps.Ledger.Fairness(r.Context(), rec.ID)
	if err != nil {
		return err
	}
	if !found || report.CreatedMillis != rec.CreatedAt.UnixMilli() || report.EndsMillis != rec.EndsAt.UnixMilli() {
		return problem.With(problem.NoReport, "the report is made when the sale has ended, within a minute")
	}
	w.Header().Set("Content-Type", typeJSON)
	_, _ = io.WriteString(w, report.Body) // the client is gone: nobody to tell
	return nil
}
