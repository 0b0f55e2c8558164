package console

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/auth"
)

func TestASaleIsCreatedReadChangedAndDeleted(t *testing.T) {
	s := newStage(t)
	created := s.newSale("drop", later)
	if created.header.Get("Location") != "/admin/v1/sales/drop" || created.header.Get("ETag") != `"1"` {
		t.Fatalf("headers %v", created.header)
	}
	s.audited("sale.create", "drop", `"Sale drop"`)
	for _, member := range []string{"phase", "paused", "ended", "message", "version", "epoch", "created_at", "updated_at", "id", "items", "admission"} {
		if _, ok := created.json()[member]; !ok {
			t.Errorf("the answer lacks %s", member)
		}
	}
	if created.json()["phase"] != "scheduled" {
		t.Fatalf("phase %v", created.json()["phase"])
	}
	read := s.admin("GET", "/admin/v1/sales/drop", "", 200)
	if !reflect.DeepEqual(read.json(), created.json()) {
		t.Fatalf("read\n%s created\n%s", read.body, created.body)
	}
	list := s.admin("GET", "/admin/v1/sales", "", 200).json()["sales"].([]any)
	if len(list) != 1 || !reflect.DeepEqual(list[0], any(read.json())) {
		t.Fatalf("list %v", list)
	}
	s.admin("POST", "/admin/v1/sales", saleDoc("drop", later), 409).refused(409, "sale_exists")
	s.admin("DELETE", "/admin/v1/sales/drop", "", 204)
	s.audited("sale.delete", "drop", `"from"`)
	s.admin("GET", "/admin/v1/sales/drop", "", 404).refused(404, "unknown_sale")
}

func TestWhatGETGivesCanBePutBack(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", later)
	body := s.admin("GET", "/admin/v1/sales/drop", "", 200).body
	changed := strings.Replace(string(body), "Sale drop", "Spring drop", 1)
	after := s.admin("PUT", "/admin/v1/sales/drop", changed, 200, "If-Match", `"1"`)
	if after.header.Get("ETag") != `"2"` || after.json()["name"] != "Spring drop" || number(after.json()["version"]) != "2" {
		t.Fatalf("%v %s", after.header, after.body)
	}
	s.audited("sale.change", "drop", `{"name":{"from":"Sale drop","to":"Spring drop"}}`)
	s.do("PUT", "/admin/v1/sales/other", bootstrapKey, changed).refused(404, "unknown_sale")
	s.newSale("other", later)
	s.do("PUT", "/admin/v1/sales/other", bootstrapKey, changed).refused(422, "invalid_sale")
}

func TestAChangeOfAnotherVersionIsAConflict(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", later)
	const path, patch = "/admin/v1/sales/drop", `{"name":"x"}`
	s.admin("PATCH", path, patch, 200, "If-Match", `"1"`)
	s.do("PATCH", path, bootstrapKey, patch, "If-Match", `"1"`).refused(409, "conflict")
	s.do("PUT", path, bootstrapKey, saleDoc("drop", later), "If-Match", `"1"`).refused(409, "conflict")
	for _, bad := range []string{"2", `"x"`, `W/"2"`, `"0"`, `"1", "2"`} {
		s.do("PATCH", path, bootstrapKey, patch, "If-Match", bad).refused(400, "bad_request")
	}
	s.admin("PATCH", path, patch, 200, "If-Match", "*")
	s.audited("sale.change", "drop", "{}")
}

func TestAPatchMergesIntoTheDocument(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", later)
	patch := `{"admission":{"max_active":7},"target_url":"/shop","version":99,"phase":"live"}`
	got := s.admin("PATCH", "/admin/v1/sales/drop", patch, 200, "Content-Type", "application/merge-patch+json").json()
	admission := got["admission"].(map[string]any)
	if number(admission["max_active"]) != "7" || number(admission["rate_per_minute"]) != "600" || got["target_url"] != "/shop" {
		t.Fatalf("got %v", got)
	}
	if number(got["version"]) != "2" || got["phase"] != "scheduled" {
		t.Fatal("what only reading adds must not be written")
	}
	got = s.admin("PATCH", "/admin/v1/sales/drop", `{"target_url":null}`, 200).json()
	if _, there := got["target_url"]; there {
		t.Fatal("null removes a member")
	}
	s.do("PATCH", "/admin/v1/sales/drop", bootstrapKey, `{"items":null}`).refused(422, "invalid_sale")
	s.do("PATCH", "/admin/v1/sales/drop", bootstrapKey, `{"id":"other"}`).refused(422, "invalid_sale")
}

func TestASaleThatHasBegunIsTheOperators(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	const path, patch = "/admin/v1/sales/drop", `{"admission":{"rate_per_minute":60}}`
	s.do("PATCH", path, s.key(auth.Marketer), patch).refused(403, "forbidden")
	s.do("PATCH", path, s.key(auth.Operator), patch).expect(200)
	s.audited("sale.change", "drop", `"admission.rate_per_minute"`)
	s.do("PATCH", path, bootstrapKey, `{"starts_at":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`).refused(409, "sale_is_live")
	for _, terms := range []string{`{"customer":"exact"}`, `{"plus_tags":"drop"}`} { // limits are counted under the names
		s.do("PATCH", path, bootstrapKey, `{"reservation":`+terms+`}`).refused(409, "sale_is_live")
	}
	s.do("DELETE", path, bootstrapKey, "").refused(409, "sale_is_live")
	s.newSale("next", later)
	s.do("PATCH", "/admin/v1/sales/next", s.key(auth.Marketer), patch).expect(200)
}

func TestDocumentsAreReadStrictly(t *testing.T) {
	s := newStage(t)
	good := saleDoc("drop", later)
	cases := []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"unknown member", "POST", "/admin/v1/sales", strings.Replace(good, `"id"`, `"colour":1,"id"`, 1), 400, "bad_request"},
		{"cut off", "POST", "/admin/v1/sales", good[:20], 400, "bad_request"},
		{"not JSON", "POST", "/admin/v1/sales", "id: drop", 400, "bad_request"},
		{"trailing", "POST", "/admin/v1/sales", good + "{}", 400, "bad_request"},
		{"wrong value", "POST", "/admin/v1/sales", strings.Replace(good, `"stock":100`, `"stock":-1`, 1), 422, "invalid_sale"},
		{"wrong type", "POST", "/admin/v1/sales", strings.Replace(good, `"stock":100`, `"stock":"many"`, 1), 422, "invalid_sale"},
		{"too large", "POST", "/admin/v1/sales", `{"name":"` + strings.Repeat("x", maxSaleBody) + `"}`, 413, "body_too_large"},
		{"a patch that is no object", "PATCH", "/admin/v1/sales/known", `[1]`, 400, "bad_request"},
		{"a patch with more behind it", "PATCH", "/admin/v1/sales/known", `{} {}`, 400, "bad_request"},
		{"message: unknown member", "PUT", "/admin/v1/sales/known/message", `{"message":"a","b":1}`, 400, "bad_request"},
		{"message missing", "PUT", "/admin/v1/sales/known/message", `{}`, 400, "bad_request"},
		{"message too long", "PUT", "/admin/v1/sales/known/message", `{"message":"` + strings.Repeat("x", 501) + `"}`, 422, "invalid_sale"},
		{"body too large", "PUT", "/admin/v1/sales/known/message", `{"message":"` + strings.Repeat("x", maxBody) + `"}`, 413, "body_too_large"},
		{"stock missing", "PATCH", "/admin/v1/sales/known/items/A/stock", `{}`, 400, "bad_request"},
		{"stock by nothing", "PATCH", "/admin/v1/sales/known/items/A/stock", `{"change_by":0}`, 422, "invalid_quantity"},
		{"a pause with a body", "POST", "/admin/v1/sales/known/pause", `{"for":"1m"}`, 400, "bad_request"},
		{"flags missing", "PUT", "/admin/v1/flags", `{}`, 400, "bad_request"},
		{"flags wrong", "PUT", "/admin/v1/flags", `{"override":"panic"}`, 400, "bad_request"},
		{"key role", "POST", "/admin/v1/keys", `{"name":"a","role":"root"}`, 400, "bad_request"},
		{"key name", "POST", "/admin/v1/keys", `{"name":" ","role":"viewer"}`, 400, "bad_request"},
		{"limit", "GET", "/admin/v1/audit?limit=0", ``, 400, "bad_request"},
		{"cursor", "GET", "/admin/v1/audit?cursor=nonsense", ``, 400, "bad_request"},
		{"wait", "GET", "/admin/v1/verify?wait=1h", ``, 400, "bad_request"},
	}
	s.newSale("known", later)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := s.do(c.method, c.path, bootstrapKey, c.body)
			a.t = t
			a.refused(c.status, c.code)
		})
	}
	s.do("POST", "/admin/v1/sales", bootstrapKey, good, "Content-Type", "text/yaml").refused(415, "unsupported_media_type")
	if len(s.admin("GET", "/admin/v1/sales", "", 200).json()["sales"].([]any)) != 1 {
		t.Fatal("something refused was stored all the same")
	}
}

func TestTheHandOnASale(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	phase := func(path string, want string) {
		t.Helper()
		if got := s.admin("POST", "/admin/v1/sales/drop/"+path, "", 200).json()["phase"]; got != want {
			t.Fatalf("after %s: %v", path, got)
		}
	}
	phase("pause", "paused")
	s.audited("sale.pause", "drop", `"paused":{"from":false,"to":true}`)
	phase("resume", "live")
	s.audited("sale.resume", "drop", `"to":false`)
	got := s.admin("PUT", "/admin/v1/sales/drop/message", `{"message":"Back at ten"}`, 200).json()
	if got["message"] != "Back at ten" {
		t.Fatalf("message %v", got["message"])
	}
	if got["message_phase"] != "live" {
		t.Fatalf("it belongs to %v", got["message_phase"])
	}
	s.audited("sale.message", "drop", `"Back at ten"`)
	phase("pause", "paused")
	if got := s.admin("GET", "/admin/v1/sales/drop", "", 200).json(); got["message"] != "" {
		t.Fatalf("the pause left %v", got["message"])
	}
	got = s.admin("PUT", "/admin/v1/sales/drop/message", `{"message":"On at ten","until":"2100-01-01T10:00:00Z"}`, 200).json()
	phase("resume", "live")
	if again := s.admin("GET", "/admin/v1/sales/drop", "", 200).json(); got["message_until"] != "2100-01-01T10:00:00Z" || again["message"] != "On at ten" {
		t.Fatalf("%v, then %v", got["message_until"], again["message"])
	}
	s.do("PUT", "/admin/v1/sales/drop/message", bootstrapKey, `{"message":"a","until":"2020-01-01T10:00:00Z"}`).refused(400, "bad_request")
	phase("end", "ended")
	s.audited("sale.end", "drop", `"ended"`)
	s.do("POST", "/admin/v1/sales/drop/resume", bootstrapKey, "").refused(409, "sale_is_live")
	s.do("POST", "/admin/v1/sales/none/pause", bootstrapKey, "").refused(404, "unknown_sale")
}

func TestTheStockIsChangedByCompareAndSet(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	const path = "/admin/v1/sales/drop/items/A/stock"
	got := s.admin("PATCH", path, `{"change_by":20,"expected":100}`, 200).json()
	if number(got["allocated"]) != "120" || got["sku"] != "A" || number(got["sold"]) != "0" {
		t.Fatalf("got %v", got)
	}
	s.audited("sale.stock", "drop", `"items.A.stock":{"from":100,"to":120}`)
	s.do("PATCH", path, bootstrapKey, `{"change_by":20,"expected":100}`).refused(409, "stock_conflict")
	s.do("PATCH", "/admin/v1/sales/drop/items/B/stock", bootstrapKey, `{"change_by":1}`).refused(404, "unknown_sku")
	got = s.admin("PATCH", path, `{"change_by":-20}`, 200).json()
	if number(got["allocated"]) != "100" {
		t.Fatalf("got %v", got)
	}
}

func TestStatsAndTheVerdictAreGiven(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	s.admin("GET", "/admin/v1/sales/drop/stats", "", http.StatusOK)
	s.do("GET", "/admin/v1/sales/none/stats", bootstrapKey, "").refused(404, "unknown_sale")
	for _, path := range []string{"/admin/v1/sales/drop/verify?wait=1s", "/admin/v1/verify"} {
		if got := s.admin("GET", path, "", 200); !strings.Contains(strings.ToLower(string(got.body)), `"ok":true`) {
			t.Fatalf("%s: %s", path, got.body)
		}
	}
	s.do("GET", "/admin/v1/sales/none/verify", bootstrapKey, "").refused(404, "unknown_sale")
}
