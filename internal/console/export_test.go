package console

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/auth"
)

const dropOrders = "/admin/v1/sales/drop/orders"

// table reads a CSV into a row for each of its lines, by the names of its columns.
func table(t *testing.T, file []byte) []map[string]string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil || len(rows) == 0 {
		t.Fatalf("%v in %s", err, file)
	}
	var named []map[string]string
	for _, row := range rows[1:] {
		cells := map[string]string{}
		for i, name := range rows[0] {
			cells[name] = row[i]
		}
		named = append(named, cells)
	}
	return named
}

func checkCells(t *testing.T, row, want map[string]string) {
	t.Helper()
	for column, text := range want {
		if row[column] != text {
			t.Errorf("%s of %s is %q, want %q", column, row["order"], row[column], text)
		}
	}
}

func TestTheCSVOfOrdersIsReadByPeople(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	s.sell("drop",
		checkout.Order{
			ID: "ord_1", Lines: append(lines("A", 2), lines("A", 1)...), PaymentRef: `a "quoted", one`,
			CustomerDoc: json.RawMessage(`{"E-Mail":"j\u00fcrgen@example.org","first_name":"J\u00fcrgen","lastName":"Groß","phone":4930123456,` +
				`"address":{"street":"Hauptstraße 1","city":"Köln"},"tags":["vip","東京"],"note":null,"email":"second@example.org"}`),
			Metadata: json.RawMessage(`{"gift":true,"weight":1.50}`),
		},
		checkout.Order{ID: "ord_2", Lines: lines("A", 1), CustomerDoc: json.RawMessage(`{"name":"Ada & <Bob>"}`)})
	a := s.do("GET", dropOrders, bootstrapKey, "", "Accept", "text/csv")
	a.expect(200)
	if a.header.Get("Content-Type") != "text/csv; charset=utf-8; header=present" || !strings.Contains(a.header.Get("Content-Disposition"), "orders-drop.csv") {
		t.Errorf("headers %v", a.header)
	}
	rows := table(t, a.body)
	if len(rows) != 3 {
		t.Fatalf("%d rows for 3 lines", len(rows))
	}
	customer := map[string]string{
		"customer_email": "jürgen@example.org", "customer_name": "Jürgen Groß", "customer_phone": "4930123456",
		"customer_other": "address.street: Hauptstraße 1; address.city: Köln; tags.1: vip; tags.2: 東京; email: second@example.org",
		"metadata":       "gift: true; weight: 1.50", "payment_ref": `a "quoted", one`, "order": "ord_1", "lines": "2",
	}
	checkCells(t, rows[0], customer)
	checkCells(t, rows[0], map[string]string{"line": "1", "quantity": "2", "sku": "A", "unit_amount": "12900", "currency": "EUR"})
	checkCells(t, rows[1], customer)
	checkCells(t, rows[1], map[string]string{"line": "2", "quantity": "1"})
	checkCells(t, rows[2], map[string]string{"order": "ord_2", "customer_name": "Ada & <Bob>", "customer_email": "", "line": "1", "lines": "1"})

	marked := s.do("GET", dropOrders+"?bom=1", bootstrapKey, "", "Accept", "text/csv")
	if want := "\ufeff" + string(a.body); string(marked.body) != want {
		t.Errorf("with a byte order mark %q", marked.body)
	}
	b := s.signedIn(auth.Operator)
	b.get("/sales/drop").shows("/sales/drop/orders.csv")
	if got := b.get("/sales/drop/orders.csv"); !bytes.Equal(got.body, marked.body) {
		t.Errorf("the page gives %q", got.body)
	}
	if got := s.signedIn(auth.Viewer).get("/sales/drop/orders.csv"); strings.Contains(string(got.body), "Groß") {
		t.Errorf("a viewer is told %q", got.body)
	}
}

func TestNoCellOfTheOrdersIsAFormula(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	s.sell("drop", checkout.Order{
		ID: "ord_1", Lines: lines("A", 1), PaymentRef: `=HYPERLINK("http://evil")`, Metadata: json.RawMessage(`{"=1+1":"-1"}`),
		CustomerDoc: json.RawMessage(`{"email":"@x","name":"\u003dcmd|' /C calc'!A0","phone":"+49 30 123","+1":"\t=1"}`),
	})
	for _, row := range table(t, s.do("GET", dropOrders, bootstrapKey, "", "Accept", "text/csv").body) {
		checkCells(t, row, map[string]string{
			"payment_ref": `'=HYPERLINK("http://evil")`, "customer_email": "'@x", "customer_name": "'=cmd|' /C calc'!A0",
			"customer_phone": "'+49 30 123", "customer_other": "'+1: \t=1", "metadata": "'=1+1: -1",
		})
	}
}

func TestNDJSONHasTheOrdersOfTheList(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	s.sell("drop",
		checkout.Order{ID: "ord_1", Lines: append(lines("A", 2), lines("A", 1)...), CustomerDoc: json.RawMessage(`{"name":"Jürgen <&> \n"}`)},
		checkout.Order{ID: "ord_2", Lines: lines("A", 1)})
	for _, key := range []string{bootstrapKey, s.key(auth.Viewer)} {
		var list struct{ Orders []any }
		if err := json.Unmarshal(s.do("GET", dropOrders, key, "").body, &list); err != nil {
			t.Fatal(err)
		}
		a := s.do("GET", dropOrders, key, "", "Accept", "application/x-ndjson")
		a.expect(200)
		texts := strings.SplitAfter(string(a.body), "\n")
		if len(texts) != 3 || texts[2] != "" {
			t.Fatalf("%q", texts)
		}
		for i, want := range list.Orders {
			var got any
			if err := json.Unmarshal([]byte(texts[i]), &got); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%v, %v, want %v", got, err, want)
			}
		}
		if told := strings.Contains(texts[0], "Jürgen <&>"); told != (key == bootstrapKey) {
			t.Errorf("told of the customer: %v", told)
		}
	}
}

// manyOrders sells more orders than an export reads at once, some of them with two lines.
func (s *stage) manyOrders(saleID string, count int) {
	s.t.Helper()
	orders := make([]checkout.Order, count)
	for i := range orders {
		orders[i] = checkout.Order{ID: fmt.Sprintf("ord_%05d", i), Lines: lines("A", 1)}
		if i%3 == 0 {
			orders[i].Lines = append(orders[i].Lines, lines("A", 1)...)
		}
	}
	s.sell(saleID, orders...)
}

func TestAnExportGoesOnAfterTheLastWholeOrder(t *testing.T) {
	s := newStage(t)
	s.admin("POST", "/admin/v1/sales", strings.Replace(saleDoc("drop", live), `"stock":100`, `"stock":10000`, 1), 201)
	const count = firstExportPage + exportPage + 50
	s.manyOrders("drop", count)
	for _, kind := range []string{"text/csv", "application/x-ndjson"} {
		whole, _, _, err := readExport(s.url+dropOrders, kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, last := range []int{0, 1, firstExportPage - 1, firstExportPage, 700, count - 1} {
			id := fmt.Sprintf("ord_%05d", last)
			rest, header, _, err := readExport(s.url+dropOrders+"?after="+id, kind)
			at := bytes.LastIndex(whole, []byte(id))
			at += bytes.IndexByte(whole[at:], '\n') + 1
			if err != nil || !bytes.Equal(append(bytes.Clone(whole[:at]), rest...), whole) {
				t.Errorf("%s after %s: the pieces are not the whole (%v)", kind, id, err)
			}
			if got := header.Get("Content-Type"); kind == "text/csv" && !strings.HasSuffix(got, "header=absent") {
				t.Errorf("content type %q", got)
			}
		}
	}
	page := s.admin("GET", dropOrders+"?limit=1&after=ord_00004", "", 200).json()["orders"].([]any)
	if len(page) != 1 || page[0].(map[string]any)["id"] != "ord_00005" {
		t.Errorf("the list goes on with %v", page)
	}
	for _, query := range []string{"?after=ord_none", "?after=ord_00001&cursor=x", "?bom=2", "?bom=1&after=ord_00001", "?after=%00"} {
		s.do("GET", dropOrders+query, bootstrapKey, "", "Accept", "text/csv").refused(400, "bad_request")
	}
	s.do("GET", dropOrders+"?bom=1", bootstrapKey, "", "Accept", "application/x-ndjson").refused(400, "bad_request")
}

// stumbling ends the ledger once the first page of an export has been sent.
type stumbling struct {
	http.ResponseWriter
	stage *stage
}

func (s stumbling) FlushError() error {
	err := http.NewResponseController(s.ResponseWriter).Flush()
	_ = s.stage.ledger.Close()
	return err
}

func (s stumbling) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func TestAnExportThatBreaksOffIsNotTakenForAWholeOne(t *testing.T) {
	for _, kind := range []string{"text/csv", "application/x-ndjson"} {
		s := newStage(t)
		s.admin("POST", "/admin/v1/sales", strings.Replace(saleDoc("drop", live), `"stock":100`, `"stock":1000`, 1), 201)
		s.manyOrders("drop", firstExportPage+1)
		whole, _, trailer, err := readExport(s.url+dropOrders, kind)
		if err != nil || trailer != fmt.Sprint(firstExportPage+1) {
			t.Fatalf("%s: trailer %q, %v", kind, trailer, err)
		}
		broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.console.ServeHTTP(stumbling{w, s}, r)
		}))
		part, _, trailer, err := readExport(broken.URL+dropOrders, kind)
		broken.Close()
		if err == nil || trailer != "" || len(part) == 0 || !bytes.HasPrefix(whole, part) {
			t.Errorf("%s: %d of %d bytes, trailer %q, %v", kind, len(part), len(whole), trailer, err)
		}
	}
}

// readExport reads orders as far as they come.
func readExport(url, kind string) (body []byte, header http.Header, trailer string, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, nil, "", err
	}
	req.Header.Set("Authorization", "Bearer "+bootstrapKey)
	req.Header.Set("Accept", kind)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, "", err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	return body, res.Header, res.Trailer.Get(ordersTrailer), err
}
