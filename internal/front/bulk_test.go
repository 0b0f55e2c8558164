package front

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// marketplace opens a sale that needs passes, with eight units of a channel that needs none.
func (s *stack) marketplace(id string) {
	s.t.Helper()
	s.open(liveSale(id, func(o *sale.Sale) {
		o.Items[0].Stock, o.Items[0].PerCustomer = 10, 1
		o.Channels, o.WithoutPass = map[string]int64{"web": 1, "fax": 1, "vip": 8}, []string{"vip"}
	}))
}

func (s *stack) bulk(path, key, body string) answer {
	s.t.Helper()
	return s.expect(200, "", "POST", path, header{"Authorization": "Bearer " + key}, body)
}

// outcomes are the results of a bulk call, each as its status and what it has beside it.
func outcomes(t *testing.T, got answer) (list []string, results []map[string]any) {
	t.Helper()
	for _, one := range got.json(t)["results"].([]any) {
		result := one.(map[string]any)
		text := fmt.Sprint(result["status"])
		if doc, refused := result["problem"].(map[string]any); refused {
			text += " " + doc["code"].(string)
		}
		list, results = append(list, text), append(results, result)
	}
	return list, results
}

func bulkElement(key, customer, channel string, quantity int) string {
	return fmt.Sprintf(`{"idempotency_key":%q,"channel":%q,%s`, key, channel, reserveBody(customer, "SNKR-42", quantity)[1:])
}

func TestManyReservationsAreAnsweredEachOnItsOwn(t *testing.T) {
	s := newStack(t)
	s.marketplace("spring")
	_, pass := s.admitted("spring")
	const path = "/v1/sales/spring/reservations/bulk"
	body := `{"reservations":[` + strings.Join([]string{
		bulkElement("m-1", "ann", "vip", 1),
		bulkElement("m-2", "bob", "vip", 1),
		bulkElement("m-3", "cem", "vip", 9),
		bulkElement("m-4", "dan", "web", 1),
		bulkElement("m-5", "eve", "fax", 1),
		bulkElement("", "fay", "vip", 1),
		bulkElement("m-7", "", "vip", 1),
		bulkElement("m-8", "gus", "none", 1),
		strings.Replace(bulkElement("m-9", "hal", "fax", 1), "{", `{"pass":"`+pass+`",`, 1),
		strings.Replace(bulkElement("m-10", "ida", "web", 1), "{", `{"pass":"forged",`, 1),
	}, ",") + `]}`
	got, results := outcomes(t, s.bulk(path, s.vipKey, body))
	want := []string{"201", "201", "409 sold_out", "401 pass_required", "401 pass_required", "400 idempotency_key_required",
		"400 bad_request", "401 pass_required", "201", "403 pass_invalid"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
	first := results[0]["reservation"].(map[string]any)
	again, repeated := outcomes(t, s.bulk(path, s.vipKey, `{"reservations":[`+bulkElement("m-1", "ann", "vip", 1)+`,`+bulkElement("m-2", "eva", "vip", 1)+`]}`))
	if fmt.Sprint(again) != "[201 422 idempotency_mismatch]" || repeated[0]["reservation"].(map[string]any)["id"] != first["id"] {
		t.Fatalf("repeated: %q", again)
	}
	// A call of its own means the same by the same key.
	single := s.expect(201, "", "POST", "/v1/sales/spring/reservations", header{"Authorization": "Bearer " + s.vipKey, "Idempotency-Key": "m-1"},
		strings.Replace(reserveBody("ann", "SNKR-42", 1), "{", `{"channel":"vip",`, 1))
	if single.text(t, "id") != first["id"] {
		t.Fatalf("the single call made %s", single.body)
	}
}

func TestOnlyAKeyThatHasTheChannelNeedsNoPass(t *testing.T) {
	s := newStack(t)
	s.marketplace("spring")
	body := strings.Replace(reserveBody("ann", "SNKR-42", 1), "{", `{"channel":"vip",`, 1)
	for name, key := range map[string]string{"no key": "", "a key without the channel": s.shopKey} {
		h := header{"Idempotency-Key": "k"}
		if key != "" {
			h["Authorization"] = "Bearer " + key
		}
		if got := s.do("POST", "/v1/sales/spring/reservations", h, body); got.StatusCode != 401 || got.text(t, "code") != string(problem.PassRequired) {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	list := `{"reservations":[` + bulkElement("k", "ann", "vip", 1) + `]}`
	if got, _ := outcomes(t, s.bulk("/v1/sales/spring/reservations/bulk", s.shopKey, list)); got[0] != "401 pass_required" {
		t.Errorf("a key without the channel, in bulk: %q", got)
	}
	for _, path := range []string{"/v1/sales/spring/reservations/bulk", "/v1/orders/bulk"} {
		s.expect(401, "unauthorized", "POST", path, nil, list)
		s.expect(401, "unauthorized", "POST", path, header{"Authorization": "Bearer pk_forged"}, list)
	}
}

func TestManyOrdersAreDurableEachOnItsOwn(t *testing.T) {
	s := newStack(t)
	s.marketplace("spring")
	var elements []string
	for i := range 5 {
		elements = append(elements, bulkElement(fmt.Sprint("r-", i), fmt.Sprint("customer-", i), "vip", 1))
	}
	_, held := outcomes(t, s.bulk("/v1/sales/spring/reservations/bulk", s.vipKey, `{"reservations":[`+strings.Join(elements, ",")+`]}`))
	var orders []string
	for i := range held {
		id := held[i]["reservation"].(map[string]any)["id"].(string)
		orders = append(orders, fmt.Sprintf(`{"idempotency_key":"o-%d","reservation":%q,"customer":{"email":"x"}}`, i, id))
	}
	stranger := `{"idempotency_key":"o-x","reservation":"rsv_none","customer":{}}`
	bare := strings.Replace(orders[4], `,"customer":{"email":"x"}`, "", 1)
	body := `{"orders":[` + strings.Join(append(append([]string{stranger}, orders[:4]...), bare), ",") + `]}`
	got, results := outcomes(t, s.bulk("/v1/orders/bulk", s.vipKey, body))
	if fmt.Sprint(got) != "[404 unknown_reservation 202 202 202 202 400 bad_request]" {
		t.Fatalf("got %q", got)
	}
	if again, _ := outcomes(t, s.bulk("/v1/orders/bulk", s.vipKey, body)); fmt.Sprint(again) != "[404 unknown_reservation 200 200 200 200 400 bad_request]" {
		t.Fatalf("repeated: %q", again)
	}
	for _, one := range results[1:5] {
		id := one["order"].(map[string]any)["id"].(string)
		s.expect(200, "", "GET", "/v1/orders/"+id, nil, "")
	}
	if got, _ := outcomes(t, s.bulk("/v1/orders/bulk", s.shopKey, `{"orders":[`+orders[0]+`]}`)); got[0] != "200" {
		t.Errorf("another key of the shop: %q", got)
	}
	if got, _ := outcomes(t, s.bulk("/v1/orders/bulk", s.oneKey, `{"orders":[`+orders[0]+`]}`)); got[0] != "403 forbidden" {
		t.Errorf("a key of other sales: %q", got)
	}
	s.expect(403, "forbidden", "POST", "/v1/sales/spring/reservations/bulk", header{"Authorization": "Bearer " + s.oneKey}, `{"reservations":[`+elements[0]+`]}`)
}

func TestABulkThatCannotBeReadIsRefusedAsAWhole(t *testing.T) {
	s := newStack(t)
	s.marketplace("spring")
	h := header{"Authorization": "Bearer " + s.vipKey}
	one := bulkElement("k", "ann", "vip", 1)
	for _, body := range []string{
		`{}`, `{"reservations":[]}`, `{"reservations":{}}`, `{"reservations":[1]}`, `{"reservations":[` + one + `],"more":1}`,
		`{"reservations":[` + strings.Replace(one, "{", `{"colour":1,`, 1) + `]}`, `{"reservations":[` + one, `[` + one + `]`,
		`{"reservations":[` + strings.Repeat(one+",", maxBulk) + one + `]}`, `{"orders":[` + one + `]}`,
	} {
		s.expect(400, "bad_request", "POST", "/v1/sales/spring/reservations/bulk", h, body)
	}
	s.expect(413, "body_too_large", "POST", "/v1/sales/spring/reservations/bulk", h, `{"reservations":["`+strings.Repeat("x", MaxBodyBytes)+`"]}`)
	s.expect(404, "unknown_sale", "POST", "/v1/sales/none/reservations/bulk", h, `{"reservations":[`+one+`]}`)
	if got, _ := outcomes(t, s.bulk("/v1/sales/spring/reservations/bulk", s.vipKey, `{"reservations":[`+one+`]}`)); got[0] != "201" {
		t.Fatalf("a refused call left something behind: %q", got)
	}
}

func FuzzABulkIsReadAsItsElementsAre(f *testing.F) {
	f.Add([]byte(`{"reservations":[{"idempotency_key":"k","customer":"a","items":[{"sku":"S","quantity":1}]}]}`))
	f.Add([]byte(`{"orders":[{"idempotency_key":"k","reservation":"r","customer":{},"payment":{"token":"t"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if asked, err := parseBulkReservations(body); err == nil && (len(asked) == 0 || len(asked) > maxBulk) {
			t.Fatalf("%d reservations", len(asked))
		}
		if asked, err := parseBulkOrders(body); err == nil && (len(asked) == 0 || len(asked) > maxBulk) {
			t.Fatalf("%d orders", len(asked))
		}
	})
}

func TestNobodyReservesInBulkWhatTheShopSellsItself(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("watched", func(o *sale.Sale) { o.Shadow, o.Admission.Mode = true, sale.Open }))
	body := `{"reservations":[` + bulkElement("b-1", "ann", "", 1) + `]}`
	got, _ := outcomes(t, s.bulk("/v1/sales/watched/reservations/bulk", s.shopKey, body))
	if got[0] != "409 sale_in_shadow" {
		t.Errorf("in bulk: %q", got)
	}
	s.expect(409, problem.SaleInShadow, "POST", "/v1/sales/watched/reservations",
		header{"Authorization": "Bearer " + s.shopKey, "Idempotency-Key": "b-1"}, reserveBody("ann", "SNKR-42", 1))
}
