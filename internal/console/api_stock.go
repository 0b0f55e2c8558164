package console

import (
	"encoding/csv"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sheet"
	"github.com/penstock/penstock/internal/verify"
)

const typeCSV = "text/csv"

// patchStock changes the units of an item, if expected is what is allocated now.
func (c *Console) patchStock(w http.ResponseWriter, r *http.Request, who caller) error {
	var body struct {
		ChangeBy *int64 `json:"change_by"`
		SetTo    *int64 `json:"set_to"`
		Expected *int64 `json:"expected"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if (body.ChangeBy == nil) == (body.SetTo == nil) {
		return problem.With(problem.BadRequest, "either change_by or set_to is required, not both")
	}
	wanted := ledger.StockChange{SKU: r.PathValue("sku"), SetTo: body.SetTo, Expected: body.Expected}
	if body.ChangeBy != nil {
		wanted.By = *body.ChangeBy
	}
	saleID := r.PathValue("sale")
	got, err := c.changeOneStock(r.Context(), who, saleID, wanted)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{
		"sale": saleID, "sku": got.SKU, "allocated": got.Allocated, "sold": got.Sold,
	})
}

// getStock tells the units of a sale, as JSON or as a CSV that postStock takes again.
func (c *Console) getStock(w http.ResponseWriter, r *http.Request, _ caller) error {
	report, err := c.deps.Verifier.Stock(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	if !wantsCSV(r) {
		return writeJSON(w, http.StatusOK, report)
	}
	writeStockFile(w, &report)
	return nil
}

func writeStockFile(w http.ResponseWriter, report *verify.StockReport) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="stock-`+report.Sale+`.csv"`)
	out := csv.NewWriter(w)
	for _, row := range stockTable(report) {
		for i := range row {
			row[i] = sheet.Safe(row[i])
		}
		_ = out.Write(row)
	}
	out.Flush() // an error: the client is gone, and nobody to tell
}

// stockTable is a report as rows. Expected is the stock of now: a row that is changed and sent back is refused
// when the stock has changed meanwhile.
func stockTable(report *verify.StockReport) [][]string {
	channels := map[string]bool{}
	for _, item := range report.Items {
		for name := range item.Channels {
			channels[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(channels))
	header := []string{columnSKU, "name", columnStock, columnExpected}
	header = append(header, unitColumns...)
	for _, name := range names {
		header = append(header, channelColumns(name)...)
	}
	rows := [][]string{header}
	for _, item := range report.Items {
		stock := decimal(item.Allocated)
		row := append([]string{item.SKU, item.Name, stock, stock}, unitCells(item.Units)...)
		for _, name := range names {
			of := item.Channels[name]
			row = append(append(row, decimal(of.Allocated)), unitCells(of)...)
		}
		rows = append(rows, row)
	}
	return rows
}

func unitCells(u verify.Units) []string {
	return []string{decimal(u.Available), decimal(u.Held), decimal(u.Sold), decimal(u.Withheld)}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// lineView is what became of a line of a file.
type lineView struct {
	Line int    `json:"line"`
	SKU  string `json:"sku"`
	// Outcome is changed, unchanged, pending (noted, and carried out as soon as it can be), refused, or, when
	// nothing was done, accepted.
	Outcome   string       `json:"outcome"`
	From      *int64       `json:"from,omitempty"`
	To        *int64       `json:"to,omitempty"`
	Allocated *int64       `json:"allocated,omitempty"`
	Code      problem.Code `json:"code,omitempty"`
	Detail    string       `json:"detail,omitempty"`
}

// importView is the answer to a file.
type importView struct {
	Sale    string `json:"sale"`
	DryRun  bool   `json:"dry_run"`
	Changed int    `json:"changed"`
	// Pending and Refused lines want another look.
	Pending int        `json:"pending"`
	Refused int        `json:"refused"`
	Lines   []lineView `json:"lines"`
}

// postStock makes the changes of a CSV file. All lines are checked before any of them is made.
func (c *Console) postStock(w http.ResponseWriter, r *http.Request, who caller) error {
	dryRun, err := flagOf(r, "dry_run")
	if err != nil {
		return err
	}
	file, err := readBody(w, r, maxBody, typeCSV)
	if err != nil {
		return err
	}
	view, err := c.importStock(r.Context(), who, r.PathValue("sale"), file, dryRun)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, view)
}

// flagOf reads a query parameter that is 1 or 0; without it, false.
func flagOf(r *http.Request, name string) (bool, error) {
	switch r.URL.Query().Get(name) {
	case "", "0":
		return false, nil
	case "1":
		return true, nil
	default:
		return false, problem.With(problem.BadRequest, name+": want 1 or 0")
	}
}
