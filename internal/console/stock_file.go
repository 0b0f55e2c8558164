package console

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/sales"
	"github.com/penstock/penstock/internal/sheet"
)

// The columns of a file of stock that change something.
const (
	columnSKU      = "sku"
	columnStock    = "stock"
	columnChangeBy = "change_by"
	columnExpected = "expected"
)

// unitColumns are told by an export, and passed over by an import.
var unitColumns = []string{"available", "held", "sold", "withheld"}

const channelMark = ":"

// channelColumns are the columns of an export for one channel.
func channelColumns(channel string) []string {
	names := []string{channel + channelMark + columnStock}
	for _, name := range unitColumns {
		names = append(names, channel+channelMark+name)
	}
	return names
}

// stockLine is a line of a file: a change, or why it cannot be read.
type stockLine struct {
	line   int
	change ledger.StockChange
	err    error
}

// importStock makes the changes of a file, all or none. Codes: bad_request for a file that cannot be read,
// lines_refused with what is wrong with each line, and those of changeStock.
func (c *Console) importStock(ctx context.Context, who caller, id string, file []byte, dryRun bool) (importView, error) {
	lines, err := readStockFile(file)
	if err != nil {
		return importView{}, problem.With(problem.BadRequest, err.Error())
	}
	malformed := slices.ContainsFunc(lines, func(l stockLine) bool { return l.err != nil })
	wanted := make([]ledger.StockChange, len(lines))
	for i := range lines {
		wanted[i] = lines[i].change
	}
	results, done, err := c.changeStock(ctx, who, id, wanted, dryRun || malformed)
	if err != nil {
		return importView{}, err
	}
	view := viewOf(lines, results, done)
	view.Sale, view.DryRun = id, dryRun
	if !done && view.Refused > 0 {
		return importView{}, problem.With(problem.LinesRefused, view.trouble(), problem.F("lines", view.Lines))
	}
	return view, nil
}

// trouble says how many lines were not done, and what the first of them has.
func (v *importView) trouble() string {
	text := fmt.Sprintf("%d of %d lines are refused", v.Refused, len(v.Lines))
	if v.Pending > 0 {
		text += fmt.Sprintf(", %d are noted and not done yet", v.Pending)
	}
	at := slices.IndexFunc(v.Lines, func(l lineView) bool { return l.Code != "" })
	if at < 0 {
		return text
	}
	first := v.Lines[at]
	return fmt.Sprintf("%s; line %d (%.64s): %s", text, first.Line, first.SKU, cmp.Or(first.Detail, string(first.Code)))
}

// viewOf tells what became of each line.
func viewOf(lines []stockLine, results []sales.StockResult, done bool) importView {
	view := importView{Lines: make([]lineView, len(lines))}
	for i := range lines {
		r := &results[i]
		if lines[i].err != nil {
			r.Err = lines[i].err
		}
		one := &view.Lines[i]
		one.Line, one.SKU = lines[i].line, lines[i].change.SKU
		one.Outcome = outcomeOf(r, done)
		switch one.Outcome {
		case "changed":
			view.Changed++
		case "pending":
			view.Pending++
		case "refused":
			view.Refused++
		}
		if r.Err != nil {
			doc, _ := problem.Of(r.Err)
			one.Code, one.Detail = doc.Code, doc.Detail
		}
		if one.Outcome != "refused" {
			one.From, one.To = &r.From, &r.To
		}
		if done {
			one.Allocated = &r.Allocated
		}
	}
	return view
}

func outcomeOf(r *sales.StockResult, done bool) string {
	switch {
	case sales.Kept(r.Err):
		return "pending"
	case r.Err != nil:
		return "refused"
	case !done:
		return "accepted"
	case r.From == r.To:
		return "unchanged"
	default:
		return "changed"
	}
}

// readStockFile reads sku and either stock or change_by, and expected if it is there. Columns that an export
// has beside them are passed over; others are an error, as their meaning might be missed.
func readStockFile(file []byte) ([]stockLine, error) {
	table, err := sheet.Read(file, sale.MaxItems)
	if err != nil {
		return nil, err
	}
	at := make(map[string]int, len(table.Columns))
	for i, name := range table.Columns {
		if !stockColumn(name) {
			return nil, fmt.Errorf("the column %.64q is not known: want sku, stock or change_by, and expected", name)
		}
		at[name] = i
	}
	_, hasSKU := at[columnSKU]
	_, absolute := at[columnStock]
	_, relative := at[columnChangeBy]
	switch {
	case !hasSKU:
		return nil, fmt.Errorf("the first line must name the columns: sku, stock or change_by, and expected if wanted")
	case absolute == relative:
		return nil, fmt.Errorf("want either the column stock or the column change_by")
	case len(table.Rows) == 0:
		return nil, fmt.Errorf("the file has no line below the first one")
	}
	lines := make([]stockLine, len(table.Rows))
	seen := make(map[string]int, len(lines))
	for i, row := range table.Rows {
		lines[i] = readStockLine(row, at)
		sku := lines[i].change.SKU
		if first, twice := seen[sku]; twice && lines[i].err == nil {
			lines[i].err = problem.With(problem.BadRequest, fmt.Sprintf("the item is also in line %d", first))
		}
		seen[sku] = row.Line
	}
	return lines, nil
}

func stockColumn(name string) bool {
	channel, unit, ofChannel := strings.Cut(name, channelMark)
	if ofChannel {
		return sale.ValidChannel(channel) && (unit == columnStock || slices.Contains(unitColumns, unit))
	}
	switch name {
	case columnSKU, columnStock, columnChangeBy, columnExpected, "name":
		return true
	default:
		return slices.Contains(unitColumns, name)
	}
}

func readStockLine(row sheet.Row, at map[string]int) stockLine {
	line := stockLine{line: row.Line}
	line.change.SKU = sheet.Plain(row.Cells[at[columnSKU]])
	if i, there := at[columnExpected]; there && row.Cells[i] != "" {
		var n int64
		n, line.err = wholeCell(columnExpected, row.Cells[i])
		line.change.Expected = &n
	}
	if i, there := at[columnStock]; there && line.err == nil {
		var n int64
		n, line.err = wholeCell(columnStock, row.Cells[i])
		line.change.SetTo = &n
	}
	if i, there := at[columnChangeBy]; there && line.err == nil {
		line.change.By, line.err = wholeCell(columnChangeBy, sheet.Plain(row.Cells[i]))
	}
	if line.change.SKU == "" {
		line.err = problem.With(problem.BadRequest, "sku: is empty")
	}
	return line
}

var wholePattern = regexp.MustCompile(`^[+-]?[0-9]{1,10}$`)

// wholeCell reads a number as it is meant: "1.000" and "1e3" mean different things to different people.
func wholeCell(column, cell string) (int64, error) {
	if !wholePattern.MatchString(cell) {
		return 0, problem.With(problem.BadRequest, fmt.Sprintf("%s: want a whole number without separators, not %.32q", column, cell))
	}
	n, err := strconv.ParseInt(cell, 10, 64)
	if err != nil {
		return 0, problem.With(problem.BadRequest, column+": want a whole number")
	}
	return n, nil
}
