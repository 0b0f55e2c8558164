package front

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/proxy"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/shadow"
	"github.com/penstock/penstock/internal/telemetry"
)

// visa is a number that payment providers publish for tests.
const visa = "4111111111111111"

// logsAsTheProgram has the front write its log as the program does.
func logsAsTheProgram(t *testing.T, into *lockedBuffer) stackOption {
	return func(d *Deps) {
		log, err := telemetry.NewLogger(into, "json", "debug")
		if err != nil {
			t.Fatal(err)
		}
		d.Log = log
	}
}

func TestACardNumberAnywhereInAnOrderIsRefusedAndNothingOfItIsKept(t *testing.T) {
	var logged lockedBuffer
	s := newStack(t, logsAsTheProgram(t, &logged))
	entry := s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	rsv := s.held("spring", pass, "k").text(t, "id")
	before := s.figures(entry)
	order := func(members string) string { return `{"reservation":"` + rsv + `",` + members + `}` }
	for body, field := range map[string]string{
		order(`"customer":{"note":"card 4111 1111-1111 1111, 12/30"}`):              "/customer/note",
		order(`"customer":{"a":[{"b":4111111111111111}]}`):                          "/customer/a/0/b",
		order(`"customer":{"a":{"4111111111111111":1}}`):                            "/customer/a",
		order(`"customer":{"a":"\u0034111111111111111"}`):                           "/customer/a",
		order(`"customer":{"cvc":"123"}`):                                           "/customer/cvc",
		order(`"customer":{},"metadata":{"card":{"n":4.111111111111111e15}}`):       "/metadata/card/n",
		order(`"customer":{},"payment":{"token":"4111-1111-1111-1111"}`):            "/payment",
		order(`"customer":{},"payment":{"reference":"` + visa + `"}`):               "/payment",
		order(`"customer":{},"` + visa + `":1`):                                     "",
		order(`"customer":{"n":"` + visa + `"`):                                     "/customer/n", // and not well-formed
		`{"reservation":"` + visa + `","customer":{}}`:                              "/reservation",
		`{"reservation":"rsv_` + visa + `_1_AAAAAAAAAAAAAAAAAAAAAA","customer":{}}`: "/reservation",
		`{"customer":{},"card":"` + visa + `"}`:                                     "/card",
		"[" + order(`"customer":{"n":"`+visa+`"}`) + "]":                            "/0/customer/n",
	} {
		got := s.expect(422, "card_data", "POST", "/v1/orders", header{"Penstock-Pass": pass, "Idempotency-Key": "k"}, body)
		if got.text(t, "field") != field || !strings.Contains(got.text(t, "detail"), "token of the card") {
			t.Errorf("%s: %s", body, got.body)
		}
		mentionsNoCard(t, body, got.body)
	}
	for _, row := range []struct{ method, path, key, body string }{
		{"POST", "/v1/orders", visa, order(`"customer":{}`)},
		{"POST", "/v1/sales/spring/reservations", visa, reserveBody("zoe", "SNKR-42", 1)},
		{"POST", "/v1/sales/spring/reservations", "r", reserveBody("4111 1111 1111 1111", "SNKR-42", 1)},
		{"POST", "/v1/sales/spring/reservations", "r", reserveBody("④111111111111111", "SNKR-42", 1)},
		{"POST", "/v1/sales/spring/reservations", "r", strings.Replace(reserveBody("zoe", "SNKR-42", 1), "{", `{"card":"`+visa+`",`, 1)},
	} {
		got := s.expect(422, "card_data", row.method, row.path, header{"Penstock-Pass": pass, "Idempotency-Key": row.key}, row.body)
		mentionsNoCard(t, row.path, got.body)
	}
	if after := s.figures(entry); after != before {
		t.Fatalf("something changed: %+v, was %+v", after, before)
	}
	if got := s.do("POST", "/v1/sales/"+visa+"/tickets?card="+visa, nil, ""); got.StatusCode != 404 {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	mentionsNoCard(t, "redis", []byte(s.mini.Dump()))
	mentionsNoCard(t, "the log", []byte(logged.String()))
	if !strings.Contains(logged.String(), `"code":"card_data"`) || !strings.Contains(logged.String(), "[card number]") {
		t.Error("the log tells of no refusal, so that nothing is in it shows nothing")
	}
	// The hold is still there, and the key that came with each of these is good.
	s.expect(202, "", "POST", "/v1/orders", header{"Penstock-Pass": pass, "Idempotency-Key": "k"}, order(`"customer":{"phone":"+49 151 12345678"},"payment":{"token":"tok_1"}`))
}

// mentionsNoCard fails when the test number is somewhere, in the ways in which it is sent here.
func mentionsNoCard(t *testing.T, where string, text []byte) {
	t.Helper()
	for _, spelling := range []string{visa, "4111-1111", "4111 1111", "4.111111", "④"} {
		if strings.Contains(string(text), spelling) {
			t.Errorf("%s: %s", where, text)
		}
	}
}

func TestOneOrderOfManyWithACardNumberIsRefusedAlone(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	rsv := s.held("spring", pass, "k").text(t, "id")
	element := func(key, reservation, customer string) string {
		return fmt.Sprintf(`{"idempotency_key":%q,"reservation":%q,"customer":%s}`, key, reservation, customer)
	}
	got := s.bulk("/v1/orders/bulk", s.shopKey, `{"orders":[`+strings.Join([]string{
		element("a", rsv, `{"n":"`+visa+`"}`), element(visa, rsv, `{}`), element("c", visa, `{}`), element("d", rsv, `{}`),
	}, ",")+`]}`)
	list, _ := outcomes(t, got)
	if want := []string{"422 card_data", "422 card_data", "422 card_data", "202"}; !slices.Equal(list, want) {
		t.Errorf("%v, want %v", list, want)
	}
	mentionsNoCard(t, "bulk", got.body)
	refused := s.expect(422, "card_data", "POST", "/v1/orders/bulk", header{"Authorization": "Bearer " + s.shopKey}, `{"orders":[{"`+visa+`":1}]}`)
	mentionsNoCard(t, "bulk", refused.body)
}

func TestNoRefusalRepeatsACardNumber(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	for path, body := range map[string]string{
		"/v1/sales/spring/tickets": `{"` + visa + `":1}`, "/v1/sales/spring/tickets?": `{"items":["` + visa + `"]}`,
		"/v1/sales/" + visa + "/tickets": `{}`, "/" + visa: ``,
	} {
		got := s.do("POST", path, nil, body)
		if got.StatusCode < 400 || problem.Code(got.text(t, "code")) == "" {
			t.Errorf("%d %s", got.StatusCode, got.body)
		}
		mentionsNoCard(t, path, got.body)
	}
}

func TestWhatAShopTellsOfItsSalesHasNoCardNumberInIt(t *testing.T) {
	one := liveSale("spring", nil)
	body := func(reference, customer string) []byte {
		return []byte(`{"calls":[{"outcome":"accepted","reference":"` + reference + `","customer":"` + customer + `","items":[{"sku":"SNKR-42","quantity":1}]}]}`)
	}
	if _, err := parseShadow(body("order-1", "zoe"), &one); err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{body("4111 1111 1111 1111", "zoe"), body("order-1", visa)} {
		if _, err := parseShadow(bad, &one); !errors.Is(err, problem.CardData) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestAMirroredCallWithACardNumberIsOnlyCounted(t *testing.T) {
	counts := prometheus.NewRegistry()
	watching, err := shadow.New(shadow.Deps{Metrics: counts})
	if err != nil {
		t.Fatal(err)
	}
	s := newStack(t, func(d *Deps) { d.Shadow = watching })
	s.open(liveSale("spring", func(o *sale.Sale) { o.Shadow = true }))
	lines := []proxy.MirroredLine{{SKU: "SNKR-42", Quantity: 1}}
	for _, m := range []proxy.Mirrored{
		{Sale: "spring", Accepted: true, Lines: lines, Reference: visa}, {Sale: "spring", Accepted: true, Lines: lines, Customer: visa},
		{Sale: "spring", Accepted: true, Lines: lines, Reference: "order-1", Customer: "zoe"},
	} {
		s.mirror(&m)
	}
	if got := figureOf(t, counts, "penstock_shadow_not_seen_total", "unreadable"); got != 2 {
		t.Errorf("%v calls are counted as unreadable, want 2", got)
	}
	if got := figureOf(t, counts, "penstock_shadow_waiting", ""); got != 1 {
		t.Errorf("%v calls wait for their decision, want 1", got)
	}
}

// figureOf is the value of a counter or gauge, of that with a label's value if there is one.
func figureOf(t testing.TB, of *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := of.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no figure %s %s", name, label)
	return 0
}

func TestARefusalKeepsItsFieldsWithoutTheCardNumber(t *testing.T) {
	err := problem.With(problem.SoldOut, visa+" is sold out", problem.F("may_return", true), problem.F("sku", visa), problem.F("poll_after_ms", 900))
	for range 2 { // and the error stays as it is
		doc, known := problemOf(err)
		if !known || len(doc.Fields) != 3 || doc.Fields[0].Value != true || doc.Fields[1].Value != "[card number]" || doc.Fields[2].Value != 900 {
			t.Fatalf("%v %+v", known, doc)
		}
		mentionsNoCard(t, "detail", []byte(doc.Detail))
	}
}
