package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/sale"
)

func TestTheLevelIsPinnedAndGivenBack(t *testing.T) {
	s := newStage(t)
	got := s.admin("GET", "/admin/v1/flags", "", 200).json()
	if got["level"] != "normal" || got["override"] != nil || len(got["flags"].([]any)) != len(degrade.Flags()) || got["reason"] == "" {
		t.Fatalf("got %v", got)
	}
	got = s.admin("PUT", "/admin/v1/flags", `{"override":"critical"}`, 200).json()
	if got["level"] != "critical" || got["override"] != "critical" || got["since"] == nil {
		t.Fatalf("got %v", got)
	}
	s.audited("level.override", "", `"to":"critical"`)
	for _, f := range got["flags"].([]any) {
		if f.(map[string]any)["on"] != false {
			t.Fatalf("at critical %v", f)
		}
	}
	got = s.admin("PUT", "/admin/v1/flags", `{"override":null}`, 200).json()
	if got["level"] != "normal" || got["override"] != nil {
		t.Fatalf("got %v", got)
	}
	s.audited("level.override", "", `"from":"critical"`)
}

func TestAKeyIsShownOnceAndDiesWhenDeleted(t *testing.T) {
	s := newStage(t)
	made := s.admin("POST", "/admin/v1/keys", `{"name":"Friday","role":"operator"}`, 201).json()
	plain, id := made["key"].(string), made["id"].(string)
	s.audited("key.create", "", id)
	s.do("GET", "/admin/v1/sales", plain, "").expect(200)
	list := s.admin("GET", "/admin/v1/keys", "", 200)
	keys := list.json()["keys"].([]any)
	if len(keys) != 1 || keys[0].(map[string]any)["name"] != "Friday" || strings.Contains(string(list.body), plain) || strings.Contains(string(list.body), auth.Hash(plain)) {
		t.Fatalf("list %s", list.body)
	}
	entries, _, err := s.ledger.Audit(t.Context(), "", "", 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(string(e.Detail), plain[3:]) {
			t.Fatal("the trail keeps a secret")
		}
	}
	s.admin("DELETE", "/admin/v1/keys/"+id, "", 204)
	s.audited("key.delete", "", "Friday")
	s.do("GET", "/admin/v1/sales", plain, "").refused(401, "unauthorized")
	s.do("DELETE", "/admin/v1/keys/"+id, bootstrapKey, "").refused(404, "not_found")
}

func TestAShopsKeyHasChannels(t *testing.T) {
	s := newStage(t)
	made := s.admin("POST", "/admin/v1/keys", `{"name":"vip desk","role":"shop","channels":["vip","app"]}`, 201).json()
	s.audited("key.create", "", "vip,app")
	listed := s.admin("GET", "/admin/v1/keys", "", 200).json()["keys"].([]any)[0].(map[string]any)
	for _, view := range []map[string]any{made, listed} {
		if fmt.Sprint(view["channels"]) != "[vip app]" {
			t.Errorf("channels %v", view["channels"])
		}
	}
	holder, err := s.console.deps.Keys.Authenticate(t.Context(), made["key"].(string))
	if err != nil || !holder.MaySell("app") || holder.MaySell("web") {
		t.Errorf("%+v, %v", holder, err)
	}
	for _, body := range []string{
		`{"name":"x","role":"operator","channels":["vip"]}`, `{"name":"x","role":"shop","channels":["VIP"]}`, `{"name":"x","role":"shop","channels":["a,b"]}`,
		`{"name":"x","role":"shop","channels":[""]}`, `{"name":"x","role":"shop","channels":["a","a"]}`,
		`{"name":"x","role":"shop","channels":["c` + strings.Join(strings.Split(strings.Repeat("x", 21), ""), `","`) + `"]}`,
	} {
		s.do("POST", "/admin/v1/keys", bootstrapKey, body).refused(400, "bad_request")
	}
}

func TestAShopsKeyIsLimitedToSales(t *testing.T) {
	s := newStage(t)
	made := s.admin("POST", "/admin/v1/keys", `{"name":"spring desk","role":"shop","sales":["spring","autumn"]}`, 201).json()
	s.audited("key.create", "", "spring,autumn")
	listed := s.admin("GET", "/admin/v1/keys", "", 200).json()["keys"].([]any)[0].(map[string]any)
	for _, view := range []map[string]any{made, listed} {
		if fmt.Sprint(view["sales"]) != "[spring autumn]" || view["created_by"] != "bootstrap" {
			t.Errorf("sales %v, made by %v", view["sales"], view["created_by"])
		}
	}
	holder, err := s.console.deps.Keys.Authenticate(t.Context(), made["key"].(string))
	if err != nil || !holder.MayActOn("autumn") || holder.MayActOn("winter") || holder.MayActOn("") {
		t.Errorf("%+v, %v", holder, err)
	}
	for _, body := range []string{
		`{"name":"x","role":"operator","sales":["spring"]}`, `{"name":"x","role":"shop","sales":["Spring"]}`, `{"name":"x","role":"shop","sales":["a,b"]}`,
		`{"name":"x","role":"shop","sales":[""]}`, `{"name":"x","role":"shop","sales":["a","a"]}`,
		`{"name":"x","role":"shop","sales":["c` + strings.Join(strings.Split(strings.Repeat("x", maxKeySales+1), ""), `","`) + `"]}`,
	} {
		s.do("POST", "/admin/v1/keys", bootstrapKey, body).refused(400, "bad_request")
	}
}

func TestOnlyThoseWhoDealWithOrdersSeeTheCustomers(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	s.sell("drop", checkout.Order{
		ID: "ord_1", Lines: lines("A", 1), PaymentRef: "pi_ada", CustomerDoc: json.RawMessage(`{"email":"ada@example.org"}`),
		Metadata: json.RawMessage(`{"phone":"ada-1234"}`),
	})
	s.keep(`{"id":"ord_2","customer":{"email":"ada@example.org"}}`, "unknown item")
	list, letters := "/admin/v1/sales/drop/orders", "/admin/v1/dead-letters"
	for _, role := range allRoles[:4] {
		for _, c := range []struct{ path, accept, known, secret string }{
			{list, "application/json", "ord_1", "ada@example.org"}, {list, "application/json", "ord_1", "ada-1234"}, {list, "application/json", "ord_1", "pi_ada"},
			{list, "text/csv", "ord_1", "ada@example.org"}, {list, "text/csv", "ord_1", "pi_ada"}, {letters, "application/json", "unknown item", "ada@example.org"},
		} {
			a := s.do("GET", c.path, s.key(role), "", "Accept", c.accept)
			a.expect(200)
			a.shows(c.known)
			if told := strings.Contains(string(a.body), c.secret); told != (role >= auth.Operator) {
				t.Errorf("%s as %s, %s: told %s: %v\n%s", c.path, c.accept, role, c.secret, told, a.body)
			}
		}
	}
}

// sell writes orders into the ledger as the drain does.
func (s *stage) sell(saleID string, orders ...checkout.Order) {
	s.t.Helper()
	for i := range orders {
		o := &orders[i]
		o.Sale, o.Reservation, o.Customer, o.CreatedAtMillis, o.Epoch = saleID, "rsv_"+o.ID, "hash", 1_790_000_000_000+int64(i), 1
	}
	if _, err := s.ledger.CommitOrders(s.t.Context(), orders); err != nil {
		s.t.Fatal(err)
	}
}

func lines(sku string, quantity int64) []checkout.Line {
	return []checkout.Line{{SKU: sku, Quantity: quantity, UnitAmount: 12900, Currency: "EUR"}}
}

func TestOrdersAreListedPageByPage(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	s.sell("drop",
		checkout.Order{ID: "ord_1", Lines: lines("A", 1), CustomerDoc: json.RawMessage(`{"email":"a@example.org"}`)},
		checkout.Order{ID: "ord_2", Lines: lines("A", 2)}, checkout.Order{ID: "ord_3", Lines: lines("A", 1)})
	seen, cursor := []string{}, ""
	for range 5 {
		page := s.admin("GET", "/admin/v1/sales/drop/orders?limit=2&cursor="+cursor, "", 200).json()
		for _, o := range page["orders"].([]any) {
			seen = append(seen, o.(map[string]any)["id"].(string))
		}
		next, more := page["next"].(string)
		if !more {
			break
		}
		cursor = next
	}
	if strings.Join(seen, " ") != "ord_1 ord_2 ord_3" {
		t.Fatalf("seen %v", seen)
	}
	first := s.admin("GET", "/admin/v1/sales/drop/orders?limit=1", "", 200).json()["orders"].([]any)[0].(map[string]any)
	if first["status"] != "committed" || first["customer"].(map[string]any)["email"] != "a@example.org" || first["committed_at"] == nil {
		t.Fatalf("got %v", first)
	}
	s.do("GET", "/admin/v1/sales/none/orders", bootstrapKey, "").refused(404, "unknown_sale")
}

func TestTheAuditTrailIsReadBySaleAndAsAWhole(t *testing.T) {
	s := newStage(t)
	s.newSale("one", later)
	s.newSale("two", later)
	s.admin("PUT", "/admin/v1/flags", `{"override":"elevated"}`, 200)
	count := func(path string) int {
		return len(s.admin("GET", path, "", 200).json()["audit"].([]any))
	}
	if all, one := count("/admin/v1/audit"), count("/admin/v1/sales/one/audit"); all != 3 || one != 1 {
		t.Fatalf("%d in all, %d of one", all, one)
	}
	page := s.admin("GET", "/admin/v1/audit?limit=2", "", 200).json()
	rest := s.admin("GET", "/admin/v1/audit?limit=2&cursor="+page["next"].(string), "", 200).json()["audit"].([]any)
	entry := rest[0].(map[string]any)
	if len(rest) != 1 || entry["action"] != "sale.create" || entry["role"] != "admin" || entry["actor"] != "bootstrap" || entry["ip"] != "127.0.0.1" {
		t.Fatalf("the oldest is %v", rest)
	}
}

func TestARedriveTellsWhatHappened(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	record, err := checkout.EncodeOrder(checkout.Order{ID: "ord_1", Sale: "drop", Reservation: "rsv_1", Lines: lines("LATER", 1)})
	if err != nil {
		t.Fatal(err)
	}
	s.keep(string(record), "unknown item")
	s.keep("\xff", "garbage")
	list := s.admin("GET", "/admin/v1/dead-letters", "", 200).json()["dead_letters"].([]any)
	byReason := map[string]map[string]any{}
	for _, d := range list {
		letter := d.(map[string]any)
		byReason[letter["reason"].(string)] = letter
	}
	if len(byReason) != 2 || byReason["unknown item"]["raw"] == nil || byReason["garbage"]["raw_base64"] != "/w==" {
		t.Fatalf("got %v", list)
	}
	again := func(reason string) string {
		return "/admin/v1/dead-letters/" + byReason[reason]["id"].(string) + "/redrive"
	}

	a := s.do("POST", again("unknown item"), bootstrapKey, "")
	a.refused(409, "still_refused")
	if !strings.Contains(string(a.body), "LATER") {
		t.Fatalf("the reason is missing: %s", a.body)
	}
	s.do("POST", again("garbage"), bootstrapKey, "").refused(409, "still_refused")
	if n := s.openLetters(); n != 2 {
		t.Fatalf("%d open after redrives that were refused", n)
	}
	rec, err := s.ledger.Sale(t.Context(), "drop")
	if err != nil {
		t.Fatal(err)
	}
	rec.Items = append(rec.Items, sale.Item{SKU: "LATER", Name: "Later", Stock: 1})
	if _, err := s.ledger.SaveSale(t.Context(), rec, rec.Version); err != nil {
		t.Fatal(err)
	}
	got := s.admin("POST", again("unknown item"), "", 200).json()
	if got["status"] != "committed" || got["order"].(map[string]any)["status"] != "committed" || got["order"].(map[string]any)["id"] != "ord_1" {
		t.Fatalf("got %v", got)
	}
	s.audited("dead_letter.redrive", "drop", "unknown item")
	if s.openLetters() != 1 {
		t.Fatalf("%d open", s.openLetters())
	}
	s.do("POST", "/admin/v1/dead-letters/dl_none/redrive", bootstrapKey, "").refused(404, "not_found")
}

// keep makes a dead letter and returns its id.
func (s *stage) keep(raw, reason string) string {
	s.t.Helper()
	if _, err := s.ledger.AddDeadLetter(s.t.Context(), []byte(raw), errors.New(reason)); err != nil {
		s.t.Fatal(err)
	}
	letters, _, err := s.ledger.DeadLetters(s.t.Context(), "", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, letter := range letters {
		if string(letter.Raw) == raw {
			return letter.ID
		}
	}
	s.t.Fatalf("there is no dead letter %q", raw)
	return ""
}

func (s *stage) openLetters() int {
	s.t.Helper()
	open, _, err := s.ledger.DeadLetters(s.t.Context(), "", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(open)
}

func TestWithTheLedgerDownOnlyTheLevelCanBeMoved(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	if err := s.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"GET /admin/v1/sales", "GET /admin/v1/audit", "GET /admin/v1/keys", "GET /admin/v1/dead-letters", "POST /admin/v1/sales/drop/pause"} {
		method, path := concrete(call)
		a := s.do(method, path, bootstrapKey, "")
		a.refused(503, "unavailable")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", call)
		}
	}
	s.do("POST", "/admin/v1/sales", bootstrapKey, saleDoc("more", later)).refused(503, "unavailable")
	if got := s.admin("PUT", "/admin/v1/flags", `{"override":"survival"}`, 200).json(); got["level"] != "survival" {
		t.Fatalf("got %v", got)
	}
}

func TestAnErrorOfOursShowsNothingOfItself(t *testing.T) {
	s := newStage(t)
	id := s.keep("x", "first")
	s.redrive = func(context.Context, string) (checkout.Stored, error) {
		return checkout.Stored{}, errors.New("password=hunter2")
	}
	a := s.do("POST", "/admin/v1/dead-letters/"+id+"/redrive", bootstrapKey, "")
	a.refused(500, "internal_error")
	if strings.Contains(string(a.body), "hunter2") {
		t.Fatalf("the answer is %s", a.body)
	}
	s.redrive = func(context.Context, string) (checkout.Stored, error) { panic("oh") }
	s.do("POST", "/admin/v1/dead-letters/"+id+"/redrive", bootstrapKey, "").refused(500, "internal_error")
}
