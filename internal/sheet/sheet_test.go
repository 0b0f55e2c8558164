package sheet

import (
	"bytes"
	"encoding/csv"
	"reflect"
	"strings"
	"testing"
)

func TestATableIsReadAsSpreadsheetsWriteIt(t *testing.T) {
	file := "\ufeffSKU , Stock\r\n\"A\",\" 10\"\r\n,\r\n\r\n\"B, \"\"b\"\"\r\nb\",20\r\nC,30"
	got, err := Read([]byte(file), 10)
	if err != nil {
		t.Fatal(err)
	}
	want := Table{Columns: []string{"sku", "stock"}, Rows: []Row{
		{2, []string{"A", "10"}}, {5, []string{"B, \"b\"\nb", "20"}}, {7, []string{"C", "30"}},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v", got)
	}
}

func TestAFileThatCannotBeReadIsRefusedWithTheReason(t *testing.T) {
	for file, reason := range map[string]string{
		"":                          "empty",
		"\ufeff":                    "empty",
		"\n \n":                     "column 1 has no name",
		"sku;stock\nA;1\n":          "semicolons",
		"sku\tstock\nA\t1\n":        "semicolons or tabs",
		"\xff\xfes\x00k\x00u\x00":   "UTF-8",
		"sku,stock\nA,\xe4\n":       "UTF-8",
		"s\x00ku,stock\n":           "UTF-8",
		"sku,stock,SKU\nA,1,B\n":    "twice",
		"sku,stock\nA,1\nB\n":       "line 3 does not have as many columns",
		"sku,stock\nA,\"1\nB,2\n":   "line 2 has a quote",
		"sku,stock\nA,1\"\n":        "line 2 has a quote",
		"sku,stock\nA,1\nB,2\nC,3":  "more than 2 lines",
		"\"sku\n,stock\nA,1\nB,2\n": "line 1 has a quote",
	} {
		if _, err := Read([]byte(file), 2); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestNoCellIsReadAsAFormula(t *testing.T) {
	for _, text := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=1"} {
		if got := Safe(text); got != "'"+text || Plain(got) != text {
			t.Errorf("%q becomes %q, and then %q", text, got, Plain(got))
		}
	}
	for _, text := range []string{"", "A", "1", "'x", "''"} {
		if Safe(text) != text || Plain(text) != text {
			t.Errorf("%q is changed", text)
		}
	}
}

func FuzzATableIsReadWholeOrNotAtAll(f *testing.F) {
	f.Add([]byte("sku,stock\nA,1\n"))
	f.Add([]byte("\ufeffsku,change_by,expected\r\n\"A\",-1,10\r\n"))
	f.Add([]byte("sku;stock\nA;1"))
	f.Fuzz(func(t *testing.T, file []byte) {
		table, err := Read(file, 50)
		if err != nil {
			return
		}
		var again bytes.Buffer
		out := csv.NewWriter(&again)
		_ = out.Write(table.Columns)
		line := 0
		for _, row := range table.Rows {
			if len(row.Cells) != len(table.Columns) || row.Line <= line {
				t.Fatalf("row %+v after line %d of %q", row, line, table.Columns)
			}
			line = row.Line
			_ = out.Write(row.Cells)
		}
		out.Flush()
		second, err := Read(again.Bytes(), 50)
		if err != nil || len(second.Rows) != len(table.Rows) || !reflect.DeepEqual(second.Columns, table.Columns) {
			t.Fatalf("%q is read as %+v, and that as %+v, %v", file, table, second, err)
		}
		for i := range second.Rows {
			if !reflect.DeepEqual(second.Rows[i].Cells, table.Rows[i].Cells) {
				t.Fatalf("%q became %q", table.Rows[i].Cells, second.Rows[i].Cells)
			}
		}
	})
}
