package front

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

func TestAReservationIsReadAsItWasMeant(t *testing.T) {
	got, err := parseReservation([]byte(` {"items" : [ {"quantity":2,"sku":"A-1"},{"sku":"B","quantity":1} ],
		"customer":"Zo\u00eb \"Z\" \ud83d\ude00", "channel":"app"} `), sale.Terms{Customer: sale.Exact})
	if err != nil {
		t.Fatal(err)
	}
	if got.Customer != `Zoë "Z" 😀` || got.Channel != "app" || len(got.Lines) != 2 || got.Lines[0] != (reservation.Line{SKU: "A-1", Quantity: 2}) {
		t.Fatalf("got %+v", got)
	}
}

// refused lists bodies with the code and a word that the detail must have.
var refusedReservations = []struct {
	name, body string
	code       problem.Code
	detail     string
}{
	{"nothing", ``, problem.BadRequest, "cut off"},
	{"no object", `[]`, problem.BadRequest, "an object"},
	{"null", `null`, problem.BadRequest, "an object"},
	{"cut off", `{"customer":"a"`, problem.BadRequest, "cut off"},
	{"trailing comma", `{"customer":"a",}`, problem.BadRequest, "byte 16"},
	{"trailing data", `{"customer":"a","items":[{"sku":"A","quantity":1}]} {}`, problem.BadRequest, "follows"},
	{"unknown member", `{"customer":"a","items":[],"price":1}`, problem.BadRequest, "price"},
	{"unknown member of an item", `{"customer":"a","items":[{"sku":"A","quantity":1,"x":2}]}`, problem.BadRequest, "x"},
	{"other case", `{"Customer":"a","items":[{"sku":"A","quantity":1}]}`, problem.BadRequest, "Customer"},
	{"a member twice", `{"customer":"a","customer":"b","items":[{"sku":"A","quantity":1}]}`, problem.BadRequest, "customer: is there twice"},
	{"an item twice", `{"customer":"a","items":[{"sku":"A","quantity":1},{"sku":"A","quantity":1}]}`, problem.BadRequest, "items[1].sku"},
	{"no customer", `{"items":[{"sku":"A","quantity":1}]}`, problem.BadRequest, "customer"},
	{"empty customer", `{"customer":"","items":[{"sku":"A","quantity":1}]}`, problem.BadRequest, "customer"},
	{"long customer", `{"customer":"` + strings.Repeat("x", 129) + `","items":[{"sku":"A","quantity":1}]}`, problem.BadRequest, "customer"},
	{"control character", `{"customer":"a\u0000","items":[{"sku":"A","quantity":1}]}`, problem.BadRequest, "customer"},
	{"raw control character", "{\"customer\":\"a\n\",\"items\":[]}", problem.BadRequest, "escape"},
	{"not UTF-8", "{\"customer\":\"\xff\",\"items\":[]}", problem.BadRequest, "well-formed"},
	{"half a surrogate pair", `{"customer":"\ud800","items":[]}`, problem.BadRequest, "Unicode"},
	{"no items", `{"customer":"a"}`, problem.BadRequest, "items"},
	{"empty items", `{"customer":"a","items":[]}`, problem.BadRequest, "items"},
	{"items as object", `{"customer":"a","items":{}}`, problem.BadRequest, "array"},
	{"no sku", `{"customer":"a","items":[{"quantity":1}]}`, problem.BadRequest, "items[0]"},
	{"no quantity", `{"customer":"a","items":[{"sku":"A"}]}`, problem.BadRequest, "items[0]"},
	{"negative quantity", `{"customer":"a","items":[{"sku":"A","quantity":-1}]}`, problem.InvalidQuantity, "items[0].quantity"},
	{"zero quantity", `{"customer":"a","items":[{"sku":"A","quantity":0}]}`, problem.InvalidQuantity, "items[0].quantity"},
	{"absurd quantity", `{"customer":"a","items":[{"sku":"A","quantity":1001}]}`, problem.InvalidQuantity, "items[0].quantity"},
	{"quantity beyond 64 bits", `{"customer":"a","items":[{"sku":"A","quantity":99999999999999999999}]}`, problem.InvalidQuantity, "items[0].quantity"},
	{"fraction", `{"customer":"a","items":[{"sku":"A","quantity":1.5}]}`, problem.BadRequest, "whole number"},
	{"exponent", `{"customer":"a","items":[{"sku":"A","quantity":1e3}]}`, problem.BadRequest, "whole number"},
	{"quantity as text", `{"customer":"a","items":[{"sku":"A","quantity":"1"}]}`, problem.BadRequest, "whole number"},
	{"leading zero", `{"customer":"a","items":[{"sku":"A","quantity":01}]}`, problem.BadRequest, "whole number"},
	{"long channel", `{"customer":"a","channel":"` + strings.Repeat("c", 33) + `","items":[{"sku":"A","quantity":1}]}`, problem.BadRequest, "channel"},
	{"too many items", `{"customer":"a","items":[` + strings.Repeat(`{"sku":"A","quantity":1},`, 51) + `{"sku":"A","quantity":1}]}`, problem.BadRequest, "items"},
	{"too many members", `{` + strings.Repeat(`"customer":"a",`, 20) + `"x":1}`, problem.BadRequest, "twice"},
	{"long name", `{"` + strings.Repeat("n", 70) + `":1}`, problem.BadRequest, "too long"},
}

func TestBadReservationsAreRefusedByName(t *testing.T) {
	for _, row := range refusedReservations {
		t.Run(row.name, func(t *testing.T) {
			_, err := parseReservation([]byte(row.body), sale.Terms{})
			checkRefusal(t, err, row.code, row.detail)
		})
	}
}

func TestBadOrdersAreRefusedByName(t *testing.T) {
	for _, row := range []struct{ name, body, detail string }{
		{"nothing", ``, "cut off"},
		{"no reservation", `{"customer":{}}`, "reservation"},
		{"no customer", `{"reservation":"r"}`, "customer"},
		{"customer as text", `{"reservation":"r","customer":"me"}`, "an object"},
		{"customer null", `{"reservation":"r","customer":null}`, "an object"},
		{"customer malformed", `{"reservation":"r","customer":{"a":}}`, "well-formed"},
		{"unknown member", `{"reservation":"r","customer":{},"total":1}`, "total"},
		{"payment with both", `{"reservation":"r","customer":{},"payment":{"token":"a","reference":"b"}}`, "payment"},
		{"payment with neither", `{"reservation":"r","customer":{},"payment":{}}`, "payment"},
		{"payment unknown", `{"reservation":"r","customer":{},"payment":{"card":"4111"}}`, "payment.card"},
		{"payment long", `{"reservation":"r","customer":{},"payment":{"token":"` + strings.Repeat("t", 513) + `"}}`, "payment"},
		{"metadata as array", `{"reservation":"r","customer":{},"metadata":[]}`, "an object"},
		{"trailing data", `{"reservation":"r","customer":{}}]`, "follows"},
		{"payment with a NUL", `{"reservation":"r","customer":{},"payment":{"token":"a\u0000b"}}`, "U+0000"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := parseOrder([]byte(row.body))
			checkRefusal(t, err, problem.BadRequest, row.detail)
		})
	}
}

func TestAnOrderKeepsTheShopsDocumentsAsTheyCame(t *testing.T) {
	got, err := parseOrder([]byte(`{"customer": {"b": 1.50, "a":[{}]} ,"reservation":"rsv_1","payment":{"reference":"p-1"},"metadata":{"utm":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Customer) != `{"b": 1.50, "a":[{}]}` || string(got.Metadata) != `{"utm":"x"}` || got.PaymentRef != "p-1" || got.Reservation != "rsv_1" {
		t.Fatalf("got %+v", got)
	}
}

func TestACallThatTakesNothingTakesAnEmptyObject(t *testing.T) {
	for _, body := range []string{"", "  \n", "{}", " { } "} {
		if err := parseNothing([]byte(body)); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	}
	checkRefusal(t, parseNothing([]byte(`{"force":true}`)), problem.BadRequest, "force")
	checkRefusal(t, parseNothing([]byte(`null`)), problem.BadRequest, "an object")
}

func checkRefusal(t *testing.T, err error, code problem.Code, detail string) {
	t.Helper()
	var refusal *problem.Refusal
	if !errors.As(err, &refusal) || refusal.Code != code {
		t.Fatalf("got %v, want the code %s", err, code)
	}
	if !strings.Contains(refusal.Detail, detail) {
		t.Fatalf("detail %q does not say %q", refusal.Detail, detail)
	}
}

// What the parser takes, encoding/json must take as well, and read the same.
func FuzzReservationBody(f *testing.F) {
	f.Add([]byte(`{"customer":"a","channel":"web","items":[{"sku":"A","quantity":1}]}`))
	for _, row := range refusedReservations {
		f.Add([]byte(row.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseReservation(body, sale.Terms{Customer: sale.Exact})
		if err != nil {
			if doc, known := problem.Of(err); !known || doc.Status < 400 || doc.Status >= 500 {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		var want struct {
			Customer string             `json:"customer"`
			Channel  string             `json:"channel"`
			Items    []reservation.Line `json:"items"`
		}
		decodeStrictly(t, body, &want)
		if got.Customer != want.Customer || got.Channel != want.Channel || len(got.Lines) != len(want.Items) {
			t.Fatalf("%s\ngot  %+v\nwant %+v", body, got, want)
		}
		for i := range want.Items {
			if got.Lines[i] != want.Items[i] {
				t.Fatalf("%s\ngot  %+v\nwant %+v", body, got, want)
			}
		}
	})
}

func FuzzOrderBody(f *testing.F) {
	f.Add([]byte(`{"reservation":"r","customer":{"a":1},"payment":{"token":"t"},"metadata":{}}`))
	f.Add([]byte(`{"reservation":"r","customer":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := parseOrder(body)
		if err != nil {
			return
		}
		var want struct {
			Reservation string          `json:"reservation"`
			Customer    json.RawMessage `json:"customer"`
			Metadata    json.RawMessage `json:"metadata"`
			Payment     struct{ Token, Reference string }
		}
		decodeStrictly(t, body, &want)
		if got.Reservation != want.Reservation || !bytes.Equal(got.Customer, want.Customer) || !bytes.Equal(got.Metadata, want.Metadata) ||
			got.PaymentRef != want.Payment.Token+want.Payment.Reference {
			t.Fatalf("%s\ngot  %+v\nwant %+v", body, got, want)
		}
	})
}

func decodeStrictly(t *testing.T, body []byte, into any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("accepted %q, which encoding/json does not: %v", body, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("accepted %q with something behind it", body)
	}
}

func TestTheRightCookiesAreFound(t *testing.T) {
	for cookies, want := range map[string]string{
		"t_a=1": "1", "x=0; t_a=1; t_a=2": "1 2", "t_ab=0;t_a=1 ": "1", "xt_a=1": "", "": "", ";;": "", "t_a": "", "t_a=": "", "t_a=a=b; c": "a=b",
	} {
		tokens := tokens{cookies: []byte(cookies), prefix: "t_", sale: []byte("a")}
		var found []string
		for one := range tokens.all {
			found = append(found, string(one.text))
		}
		if got := strings.Join(found, " "); got != want {
			t.Errorf("%q: %q, want %q", cookies, got, want)
		}
	}
}
