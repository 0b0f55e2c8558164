// Package sheet reads and writes CSV that people open in spreadsheets.
package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// ByteOrderMark at the beginning of a file tells spreadsheets that it is UTF-8.
const ByteOrderMark = "\ufeff"

const (
	// formulaMark keeps a spreadsheet from reading a cell as a formula.
	formulaMark = "'"
	formulas    = "=+-@\t\r\n"
)

// Safe keeps a spreadsheet from reading a cell that somebody else wrote as a formula.
func Safe(text string) string {
	if text != "" && strings.ContainsRune(formulas, rune(text[0])) {
		return formulaMark + text
	}
	return text
}

// Plain is the inverse of [Safe].
func Plain(cell string) string {
	if text, marked := strings.CutPrefix(cell, formulaMark); marked && Safe(text) == cell {
		return text
	}
	return cell
}

// Row is a line of a table.
type Row struct {
	Line  int // in the file, from 1
	Cells []string
}

// Table is a file with its first line apart.
type Table struct {
	Columns []string // in small letters, without spaces around them
	Rows    []Row
}

// Read reads a table of at most rowsMost rows. A byte order mark, either end of line, quotes, and rows without
// any text are taken. Its errors are sentences for the person who made the file.
func Read(file []byte, rowsMost int) (Table, error) {
	file = bytes.TrimPrefix(file, []byte(ByteOrderMark))
	if !utf8.Valid(file) || bytes.IndexByte(file, 0) >= 0 {
		return Table{}, errors.New("the file is not UTF-8 text: save it as CSV UTF-8")
	}
	reader := csv.NewReader(bytes.NewReader(file))
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return Table{}, errors.New("the file is empty")
	}
	if err != nil {
		return Table{}, explain(err)
	}
	table := Table{Columns: columns(header)}
	if err := table.checkHeader(); err != nil {
		return Table{}, err
	}
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return table, nil
		}
		if err != nil {
			return Table{}, explain(err)
		}
		row := Row{Cells: cells}
		row.Line, _ = reader.FieldPos(0)
		if row.blank() {
			continue
		}
		if len(table.Rows) == rowsMost {
			return Table{}, fmt.Errorf("the file has more than %d lines", rowsMost)
		}
		table.Rows = append(table.Rows, row)
	}
}

func columns(header []string) []string {
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = strings.ToLower(strings.TrimSpace(name))
	}
	return names
}

func (t *Table) checkHeader() error {
	if strings.ContainsAny(t.Columns[0], ";\t") {
		return errors.New("the columns must be separated by commas, not by semicolons or tabs: save the file with commas")
	}
	seen := make(map[string]bool, len(t.Columns))
	for i, name := range t.Columns {
		if name == "" {
			return fmt.Errorf("column %d has no name in the first line", i+1)
		}
		if seen[name] {
			return fmt.Errorf("the column %.64q is there twice", name)
		}
		seen[name] = true
	}
	return nil
}

func (r *Row) blank() bool {
	for i, cell := range r.Cells {
		r.Cells[i] = strings.TrimSpace(cell)
	}
	return strings.Join(r.Cells, "") == ""
}

// explain words the errors of encoding/csv.
func explain(err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	switch {
	case errors.Is(parse.Err, csv.ErrFieldCount):
		return fmt.Errorf("line %d does not have as many columns as the first line", parse.StartLine)
	case errors.Is(parse.Err, csv.ErrBareQuote), errors.Is(parse.Err, csv.ErrQuote):
		return fmt.Errorf("line %d has a quote in the wrong place: quote the whole cell, and write a quote inside as two", parse.StartLine)
	default:
		return fmt.Errorf("line %d cannot be read", parse.StartLine)
	}
}
