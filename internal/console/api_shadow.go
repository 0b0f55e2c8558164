package console

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/shadow"
	"github.com/penstock/penstock/internal/sheet"
)

// getShadow gives the report of a sale in shadow mode, or its examples as CSV.
func (c *Console) getShadow(w http.ResponseWriter, r *http.Request, _ caller) error {
	examples := shadow.DefaultExamples
	if text := r.URL.Query().Get("examples"); text != "" {
		var err error
		if examples, err = strconv.Atoi(text); err != nil || examples < 1 || examples > shadow.MaxExamples {
			return problem.With(problem.BadRequest, "examples: want 1 to 1000")
		}
	}
	report, err := shadow.ReadReport(r.Context(), c.deps.Ledger, r.PathValue("sale"), examples, c.deps.Now())
	if err != nil {
		return err
	}
	if wantsCSV(r) {
		return writeExamples(w, report.Examples)
	}
	return writeJSON(w, http.StatusOK, report)
}

func writeExamples(w http.ResponseWriter, examples []shadow.Example) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	out := csv.NewWriter(w)
	_ = out.Write([]string{"at", "kind", "code", "reference", "units"})
	for _, one := range examples {
		_ = out.Write([]string{one.At.Format(time.RFC3339Nano), one.Kind, string(one.Code), sheet.Safe(one.Reference), one.UnitsText()})
	}
	out.Flush()
	return nil // what cannot be written any more has nobody who reads it
}

type shadowModel struct {
	ID, Name string
	Report   shadow.Report
}

// shadowPage shows the report to a person.
func (c *Console) shadowPage(w http.ResponseWriter, r *http.Request, in visit) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	report, err := shadow.ReadReport(r.Context(), c.deps.Ledger, rec.ID, shadow.DefaultExamples, c.deps.Now())
	if err != nil {
		return err
	}
	c.show(w, r, in, http.StatusOK, "shadow", rec.Name+": shadow mode", shadowModel{ID: rec.ID, Name: rec.Name, Report: report})
	return nil
}
