package console

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/sheet"
)

// newShelf is a live sale of two items over two channels; the names are what a spreadsheet would compute.
func (s *stage) newShelf(id string) {
	s.t.Helper()
	start := time.Now().Add(live).UTC()
	s.admin("POST", "/admin/v1/sales", `{"id":"`+id+`","name":"Shelf","starts_at":"`+start.Format(time.RFC3339)+`","ends_at":"`+
		start.Add(time.Hour).Format(time.RFC3339)+`","channels":{"web":8,"app":2},"items":[{"sku":"A","name":"=1+1","stock":100},{"sku":"-B","name":"Article B","stock":50}]}`, http.StatusCreated)
}

const shelfStock = "/admin/v1/sales/shelf/stock"

func (s *stage) importCSV(file string, query ...string) answer {
	s.t.Helper()
	return s.do("POST", shelfStock+strings.Join(query, ""), bootstrapKey, file, "Content-Type", "text/csv")
}

// stockOf are the units that are allocated to an item now.
func (s *stage) stockOf(sku string) string {
	s.t.Helper()
	for _, one := range s.admin("GET", shelfStock, "", http.StatusOK).json()["items"].([]any) {
		if item := one.(map[string]any); item["sku"] == sku {
			return number(item["allocated"])
		}
	}
	return "none"
}

func TestTheStockIsSetAndComparedAndSet(t *testing.T) {
	s := newStage(t)
	s.newShelf("shelf")
	const path = "/admin/v1/sales/shelf/items/A/stock"
	if got := s.admin("PATCH", path, `{"set_to":120,"expected":100}`, 200).json(); number(got["allocated"]) != "120" {
		t.Fatalf("got %v", got)
	}
	s.audited("sale.stock", "shelf", `"items.A.stock":{"from":100,"to":120}`)
	conflict := s.do("PATCH", path, bootstrapKey, `{"set_to":130,"expected":100}`)
	conflict.refused(409, "stock_conflict")
	if got := conflict.json(); number(got["allocated"]) != "120" {
		t.Fatalf("the conflict tells %v", got)
	}
	s.admin("PATCH", path, `{"set_to":120}`, 200)
	if got := s.admin("PATCH", path, `{"set_to":0}`, 200).json(); number(got["allocated"]) != "0" {
		t.Fatalf("got %v", got)
	}
	for body, code := range map[string]string{
		`{"set_to":1,"change_by":1}`: "bad_request", `{"expected":1}`: "bad_request", `{"set_to":1.5}`: "bad_request",
		`{"set_to":-1}`: "invalid_quantity", `{"set_to":1000000001}`: "invalid_quantity", `{"change_by":9223372036854775807}`: "invalid_quantity",
	} {
		status := 422
		if code == "bad_request" {
			status = 400
		}
		s.do("PATCH", path, bootstrapKey, body).refused(status, code)
	}
}

func TestAFileOfStockIsDoneLineByLineOrNotAtAll(t *testing.T) {
	s := newStage(t)
	s.newShelf("shelf")
	file := "\ufeffSKU,Stock,Expected\r\n\"A\",90,100\r\n'-B,60,\r\n"
	got := s.importCSV(file, "?dry_run=1").json()
	if got["dry_run"] != true || number(got["changed"]) != "0" || s.stockOf("A") != "100" || s.stockOf("-B") != "50" {
		t.Fatalf("a dry run gives %v and leaves %s and %s", got, s.stockOf("A"), s.stockOf("-B"))
	}
	got = s.importCSV(file).json()
	if number(got["changed"]) != "2" || s.stockOf("A") != "90" || s.stockOf("-B") != "60" {
		t.Fatalf("got %v", got)
	}
	s.audited("sale.stock", "shelf", `"items.A.stock":{"from":100,"to":90}`)
	s.audited("sale.stock", "shelf", `"items.-B.stock":{"from":50,"to":60}`)
	wrong := s.importCSV("sku,change_by,expected\nA,5,90\n-B,-1,1\nC,1,\nA,1,\n-B,x,\n")
	wrong.refused(422, "lines_refused")
	want := []string{"accepted", "refused stock_conflict", "refused unknown_sku", "refused bad_request", "refused bad_request"}
	for i, one := range wrong.json()["lines"].([]any) {
		line := one.(map[string]any)
		text := line["outcome"].(string)
		if code, refused := line["code"]; refused {
			text += " " + code.(string)
		}
		if text != want[i] || number(line["line"]) != number(i+2) {
			t.Errorf("line %d is %v, want %s", i+2, line, want[i])
		}
	}
	if s.stockOf("A") != "90" {
		t.Fatal("a refused file changed a line")
	}
	if got = s.importCSV("sku,change_by\nA,+5\n-B,-10\n").json(); number(got["changed"]) != "2" || s.stockOf("A") != "95" || s.stockOf("-B") != "50" {
		t.Fatalf("got %v", got)
	}
}

func TestAFileThatMayMeanAnotherThingIsRefused(t *testing.T) {
	s := newStage(t)
	s.newShelf("shelf")
	for file, detail := range map[string]string{
		"sku;stock\nA;1\n":             "commas",
		"A,1\n":                        "not known",
		"sku\nA\n":                     "column stock or the column change_by",
		"sku,stock,change_by\nA,1,1\n": "column stock or the column change_by",
		"stock\n1\n":                   "must name the columns",
		"sku,stock,expcted\nA,1,1\n":   `"expcted" is not known`,
		"sku,stock\n":                  "no line",
		"sku,stock\n" + strings.Repeat("A,1\n", 101): "more than 100 lines",
	} {
		got := s.importCSV(file)
		got.refused(400, "bad_request")
		if text, _ := got.json()["detail"].(string); !strings.Contains(text, detail) {
			t.Errorf("%.40q: %s", file, text)
		}
	}
	for _, cell := range []string{"1.000", "1e3", "0x10", "", "-1", "10000000000", "1 0", "٣", `"1,000"`} {
		s.importCSV("sku,stock\nA,"+cell+"\n").refused(422, "lines_refused")
	}
	s.importCSV("sku,stock\nA,1\n", "?dry_run=yes").refused(400, "bad_request")
	s.do("POST", shelfStock, bootstrapKey, `{}`).refused(415, "unsupported_media_type")
	s.do("POST", shelfStock, bootstrapKey, "sku,stock\n"+strings.Repeat(",\n", maxBody), "Content-Type", "text/csv").refused(413, "body_too_large")
	s.do("POST", shelfStock, s.key(auth.Marketer), "sku,stock\nA,1\n", "Content-Type", "text/csv").refused(403, "forbidden")
	if s.stockOf("A") != "100" {
		t.Fatal("a refused file changed something")
	}
}

func TestAnExportCanBeImportedAgainAndHoldsNoFormula(t *testing.T) {
	s := newStage(t)
	s.newShelf("shelf")
	file := s.admin("GET", shelfStock, "", 200, "Accept", "text/csv").body
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%q, %v", rows, err)
	}
	if got := strings.Join(rows[1][:8], " "); got != "A '=1+1 100 100 100 0 0 0" {
		t.Errorf("the row is %q", got)
	}
	if got := strings.Join(rows[0], ","); !strings.HasSuffix(got, "withheld,app:stock,app:available,app:held,app:sold,app:withheld,web:stock,web:available,web:held,web:sold,web:withheld") {
		t.Errorf("the columns are %s", got)
	}
	if got := number(s.importCSV(string(file)).json()["changed"]); got != "0" {
		t.Errorf("the export itself changes %s lines", got)
	}
	changed := strings.Replace(string(file), "'-B,Article B,50,50", "'-B,Article B,70,50", 1)
	if got := number(s.importCSV(changed).json()["changed"]); got != "1" || s.stockOf("-B") != "70" {
		t.Errorf("a changed row changes %s lines", got)
	}
	s.importCSV(changed).refused(422, "lines_refused") // expected is what it was before
}

func TestTheStockOfASaleThatIsNotArmedIsThatOfTheLedger(t *testing.T) {
	s := newStage(t)
	draft := strings.Replace(saleDoc("draft", later), `{"`, `{"draft":true,"`, 1)
	s.admin("POST", "/admin/v1/sales", draft, 201)
	got := s.admin("GET", "/admin/v1/sales/draft/stock", "", 200).json()
	if item := got["items"].([]any)[0].(map[string]any); got["live"] != false || number(item["available"]) != "100" {
		t.Fatalf("got %v", got)
	}
	s.do("GET", "/admin/v1/sales/none/stock", bootstrapKey, "").refused(404, "unknown_sale")
	s.do("POST", "/admin/v1/sales/none/stock", bootstrapKey, "sku,stock\nA,1\n", "Content-Type", "text/csv").refused(404, "unknown_sale")
}

func TestLinesArePastedIntoThePage(t *testing.T) {
	s := newStage(t)
	s.newShelf("shelf")
	b := s.signedIn(auth.Operator)
	form := func(file, intent string) answer {
		return b.submit("/sales/shelf/stock-file", url.Values{"file": {file}, "intent": {intent}})
	}
	form("sku,stock\r\nA,80\r\n", "check").expect(http.StatusSeeOther)
	if s.stockOf("A") != "100" {
		t.Fatal("a check changed the stock")
	}
	form("sku,stock\r\nA,80\r\n", "apply").expect(http.StatusSeeOther)
	if s.stockOf("A") != "80" {
		t.Fatal("the stock is not changed")
	}
	b.get("/sales/shelf?done=stock-file").shows("The lines are done.")
	refused := form("sku,stock\r\nA,<b>\r\n", "apply")
	refused.expect(http.StatusUnprocessableEntity)
	refused.shows("1 of 1 lines are refused; line 2 (A)", "A,&lt;b&gt;")
	if got := b.get("/sales/shelf/stock.csv"); got.header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" {
		t.Fatalf("%v", got.header)
	}
}

func FuzzAFileOfStockIsReadAsItIsWritten(f *testing.F) {
	f.Add([]byte("sku,stock,expected\nA,1,2\n'-B,3,\n"))
	f.Add([]byte("\ufeffsku,change_by\r\nA,\"-1\"\r\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		lines, err := readStockFile(file)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, line := range lines {
			if line.err != nil {
				continue
			}
			change := line.change
			if change.SKU == "" || seen[change.SKU] || change.SetTo != nil && change.By != 0 || sheet.Plain(sheet.Safe(change.SKU)) != change.SKU {
				t.Fatalf("%q is read as %+v", file, change)
			}
			seen[change.SKU] = true
		}
	})
}
