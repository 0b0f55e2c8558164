package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/sale"
)

func TestSigningInAndOut(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	b.get("/sales/drop?x=1").expect(303)
	b.get("/sign-in?next=%2Fsales%2Fdrop%3Fx%3D1").shows(`value="/sales/drop?x=1"`)
	wrong := b.post("/sign-in", url.Values{"key": {"nope"}, "next": {"/level"}})
	wrong.expect(401)
	wrong.shows("not known", `value="/level"`)
	right := b.post("/sign-in", url.Values{"key": {" " + bootstrapKey + " "}, "next": {"/level"}})
	right.expect(303)
	if right.header.Get("Location") != "/level" {
		t.Fatalf("leads to %q", right.header.Get("Location"))
	}
	cookie := right.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Max-Age=43200", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %q lacks %s", cookie, want)
		}
	}
	b.get("/sales").expect(200)
	b.submit("/sign-out", url.Values{}).expect(303)
	b.get("/sales").expect(303)
}

func TestASessionThatWasTakenFromABrowserEndsWithSigningOut(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Admin)
	home, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	stolen := b.client.Jar.Cookies(home)[0].Value
	get := func(value string) int {
		return s.do("GET", "/sales", "", "", "Cookie", cookieName+"="+value, "Accept", "text/html").status
	}
	if get(stolen) != 200 {
		t.Fatal("the copy must work before")
	}
	tampered := []byte(stolen)
	tampered[10] ^= 1
	if get(string(tampered)) != 303 || get("") != 303 || get(bootstrapKey) != 303 {
		t.Fatal("a session that was not signed here is believed")
	}
	b.submit("/sign-out", url.Values{}).expect(303)
	if get(stolen) != 303 {
		t.Fatal("the copy must not work afterwards")
	}
}

func TestASessionDiesWithItsKey(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Operator)
	b.get("/sales").expect(200)
	s.admin("DELETE", "/admin/v1/keys/key_operator", "", 204)
	b.get("/sales").expect(303)
}

func TestShopsCannotSignInAndFailuresAreLimited(t *testing.T) {
	s := newStage(t)
	b := s.browser()
	b.post("/sign-in", url.Values{"key": {s.key(auth.Shop)}}).expect(403)
	for range 4 {
		b.post("/sign-in", url.Values{"key": {"nope"}}).expect(401)
	}
	limited := b.post("/sign-in", url.Values{"key": {bootstrapKey}})
	limited.expect(429)
	limited.shows("Too many failed attempts")
}

func TestOnlyOurOwnPagesAreLedTo(t *testing.T) {
	for next, want := range map[string]string{
		"/level": "/level", "/sales/a?b=c": "/sales/a?b=c", "": "/sales", "//evil.example": "/sales", "https://evil.example": "/sales",
		`/\evil.example`: "/sales", "/\tx": "/sales", "javascript:alert(1)": "/sales",
	} {
		if got := localPath(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestAFormOfNobodyOrOfAnotherSiteIsRefused(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	b := s.signedIn(auth.Operator)
	token := csrfPattern.FindSubmatch(b.get("/level").body)
	if token == nil {
		t.Fatal("no form token")
	}
	other := csrfPattern.FindSubmatch(s.signedIn(auth.Admin).get("/level").body)
	b.post("/sales/drop/pause", url.Values{}).expect(403)
	b.post("/sales/drop/pause", url.Values{"csrf": {string(other[1])}}).expect(403)
	b.post("/sales/drop/pause?csrf="+url.QueryEscape(string(token[1])), url.Values{}).expect(403)
	b.post("/sales/drop/pause", url.Values{}, "Origin", "https://evil.example").expect(403)
	b.post("/sales/drop/pause", url.Values{"csrf": {string(token[1])}}, "Sec-Fetch-Site", "cross-site").expect(403)
	b.post("/sign-in", url.Values{"key": {bootstrapKey}}, "Sec-Fetch-Site", "cross-site").expect(403)
	if s.record("drop").Paused {
		t.Fatal("a forged form did something")
	}
	b.post("/sales/drop/pause", url.Values{"csrf": {string(token[1])}}).expect(303)
	if !s.record("drop").Paused {
		t.Fatal("the real form did nothing")
	}
	b.post("/sales/drop/message", url.Values{"csrf": {string(token[1])}, "message": {strings.Repeat("x", maxForm)}}).expect(413)
}

// A proxy in front may give Host a name of its own, so the origin of a form says nothing about its page.
func TestFormsWorkBehindAProxyThatReplacesTheHost(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	b := s.signedIn(auth.Operator)
	token := csrfPattern.FindSubmatch(b.get("/level").body)
	b.post("/sales/drop/pause", url.Values{"csrf": {string(token[1])}}, "Origin", "http://console.lan").expect(303)
	if !s.record("drop").Paused {
		t.Fatal("the form did nothing")
	}
	b.post("/sign-in", url.Values{"key": {bootstrapKey}}, "Origin", "http://console.lan").expect(303)
}

func saleValues(id string) url.Values {
	return url.Values{
		"id": {id}, "name": {"Spring <drop>"}, "opens_at": {"2030-06-01T09:45"}, "starts_at": {"2030-06-01T10:00"}, "ends_at": {"2030-06-01T12:00"},
		"zone": {""}, "admission.order": {"draw"}, "admission.mode": {"queue"}, "admission.rate_per_minute": {"600"}, "admission.max_active": {"500"},
		"admission.pass_ttl": {"10"}, "admission.claim_window": {"1,5"}, "reservation.ttl": {"5"}, "reservation.max_extensions": {"1"}, "reservation.per_customer": {""},
		"durability": {"journaled"}, "currency": {"eur"}, "intent": {"schedule"}, "version": {"0"}, "target_url": {"https://shop.example/checkout"},
		"sku": {"A", "", "B"}, "item_name": {"Article A", "", ""}, "stock": {"1000", "", "5"}, "limit": {"1", "", ""}, "price": {"129.00", "", ""},
	}
}

func TestASaleIsPlannedByForm(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	b.get("/new-sale").shows("draw", `type="datetime-local"`, `name="sku"`)
	made := b.submit("/new-sale", saleValues("spring"))
	made.expect(303)
	if made.header.Get("Location") != "/sales/spring?done=create" {
		t.Fatalf("leads to %q", made.header.Get("Location"))
	}
	s.audited("sale.create", "spring", "Spring")
	rec := s.record("spring")
	if rec.StartsAt.Format("2006-01-02T15:04Z07:00") != "2030-06-01T10:00Z" || rec.Admission.ClaimWindow.String() != "1m30s" {
		t.Fatalf("got %+v", rec.Sale)
	}
	if len(rec.Items) != 2 || rec.Items[0].Price.Amount != 12900 || rec.Items[0].Price.Currency != "EUR" || rec.Items[0].PerCustomer != 1 || rec.Items[1].Name != "B" || rec.Items[1].Price != nil {
		t.Fatalf("items %+v", rec.Items)
	}
	page := b.get(made.header.Get("Location"))
	page.shows("The sale is saved.", "Spring &lt;drop&gt;", "https://front.example/sales/spring", "Scheduled")
	if strings.Contains(string(page.body), "<drop>") {
		t.Fatal("what a person typed is taken for HTML")
	}
	b.get("/sales").shows("Spring &lt;drop&gt;", "Scheduled")
	again := b.submit("/new-sale", saleValues("spring"))
	again.expect(409)
	again.shows("exists already", `value="spring"`)
}

func TestWhatWasTypedIsKeptBesideWhatIsWrong(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	v := saleValues("spring")
	v.Set("name", "")
	v.Set("starts_at", "soon")
	v.Set("admission.max_active", "many")
	v["stock"] = []string{"lots", "", "5"}
	v["price"] = []string{"12.345", "", ""}
	page := b.submit("/new-sale", v)
	page.expect(422)
	page.shows(`value="soon"`, `value="many"`, `value="lots"`, `value="12.345"`, "enter a whole number", "enter a date and a time", "want 1 to 200 characters", "enter an amount", `aria-invalid="true"`)

	v = saleValues("spring")
	v["sku"] = []string{"A", "", "bad sku"}
	page = b.submit("/new-sale", v)
	page.expect(422)
	row := string(page.body)[strings.Index(string(page.body), `value="bad sku"`):]
	if at := strings.Index(row, "want 1 to 64 letters"); at < 0 || at > 300 {
		t.Fatal("the fault is not beside its cell")
	}
	v = saleValues("spring")
	v.Set("intent", "rows")
	page = b.submit("/new-sale", v)
	page.expect(200)
	if n := strings.Count(string(page.body), `name="sku"`); n != 3+moreRows {
		t.Fatalf("%d rows", n)
	}
	if list := s.admin("GET", "/admin/v1/sales", "", 200).json()["sales"].([]any); len(list) != 0 {
		t.Fatalf("saved %v", list)
	}
}

func TestTimesAreReadInTheChosenZone(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	v := saleValues("berlin")
	v.Set("zone", "Europe/Berlin") // summer time: two hours before UTC
	b.submit("/new-sale", v).expect(303)
	if got := s.record("berlin").StartsAt.Format("15:04"); got != "08:00" {
		t.Fatalf("starts at %s UTC", got)
	}
	v = saleValues("nowhere")
	v.Set("zone", "../../etc/passwd")
	b.submit("/new-sale", v).expect(422)
}

func TestASaleIsChangedByFormIfNobodyElseDid(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	b.submit("/new-sale", saleValues("spring")).expect(303)
	s.admin("PATCH", "/admin/v1/sales/spring", `{"channels":{"web":1,"app":1}}`, 200)
	b.get("/sales/spring/edit").shows(`value="Spring &lt;drop&gt;"`, `value="2030-06-01T10:00"`, `value="1.5"`, `value="129.00"`, `name="version" value="2"`)
	v := saleValues("ignored")
	v.Set("version", "1")
	v.Set("name", "Summer drop")
	stale := b.submit("/sales/spring/edit", v)
	stale.expect(409)
	stale.shows("Somebody else changed this sale", `value="Summer drop"`)
	v.Set("version", "2")
	b.submit("/sales/spring/edit", v).expect(303)
	s.audited("sale.change", "spring", `"Summer drop"`)
	if rec := s.record("spring"); rec.Name != "Summer drop" || len(rec.Channels) != 2 {
		t.Fatalf("got %+v", rec.Sale)
	}
	v.Set("version", "3")
	v.Set("intent", "draft")
	b.submit("/sales/spring/edit", v).expect(303)
	b.get("/sales/spring").shows("Draft", "Nobody can see this sale yet.")
}

func TestTheFormShowsAndKeepsWhatTheRedirectCarries(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	b.get("/new-sale").shows(`<option value="code" selected>`)
	v := saleValues("spring")
	v.Set("handover", "pass")
	b.submit("/new-sale", v).expect(303)
	b.get("/sales/spring/edit").shows(`<option value="pass" selected>`)
	b.get("/sales/spring").shows("<dd>The pass</dd>")
	v.Del("handover") // as a form of an earlier version sends it
	v.Set("version", "1")
	v.Set("name", "Summer drop")
	b.submit("/sales/spring/edit", v).expect(303)
	if rec := s.record("spring"); rec.Handover != sale.HandoverPass || rec.Name != "Summer drop" {
		t.Fatalf("got %+v", rec.Sale)
	}
	v.Set("version", "2")
	v.Set("handover", "cookie")
	refused := b.submit("/sales/spring/edit", v)
	refused.expect(422)
	refused.shows("want code, pass or none")
	if got := s.admin("PATCH", "/admin/v1/sales/spring", `{"handover":"none"}`, 200).json(); got["handover"] != "none" {
		t.Fatalf("got %v", got)
	}
}

func TestARunningSaleKeepsItsItemsAndItsStart(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	before := s.record("drop")
	s.signedIn(auth.Marketer).submit("/sales/drop/edit", saleValues("drop")).expect(403)
	b := s.signedIn(auth.Operator)
	b.get("/sales/drop/edit").shows("The doors are open")
	v := saleValues("drop")
	v.Set("version", "1")
	v.Set("ends_at", before.EndsAt.Format("2006-01-02T15:04:05"))
	v.Set("admission.rate_per_minute", "30")
	b.submit("/sales/drop/edit", v).expect(303)
	after := s.record("drop")
	if after.Admission.RatePerMinute != 30 || !after.StartsAt.Equal(before.StartsAt) || after.Items[0].Stock != 100 || after.Admission.Order != before.Admission.Order {
		t.Fatalf("got %+v", after.Sale)
	}
}

func TestTheHandOnASaleByForm(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	b := s.signedIn(auth.Operator)
	page := b.get("/sales/drop")
	page.shows("Right now", "Article A", "Yes, pause", "Yes, end for good", `data-live="waiting"`)
	step := func(form string, v url.Values, action string) {
		t.Helper()
		a := b.submit("/sales/drop/"+form, v)
		a.expect(http.StatusSeeOther)
		s.audited(action, "drop", "")
		if doneText(form) == "" || !strings.HasSuffix(a.header.Get("Location"), "?done="+form) {
			t.Fatalf("leads to %q", a.header.Get("Location"))
		}
	}
	step("pause", url.Values{}, "sale.pause")
	b.get("/sales/drop").shows("Yes, resume", "Paused")
	step("resume", url.Values{}, "sale.resume")
	step("message", url.Values{"message": {"Back at <ten>"}}, "sale.message")
	b.get("/sales/drop").shows("Back at &lt;ten&gt;", "changed the message")
	step("pace", url.Values{"rate_per_minute": {"42"}, "max_active": {"7"}}, "sale.change")
	step("stock", url.Values{"sku": {"A"}, "change_by": {"-10"}, "expected": {"100"}}, "sale.stock")
	rec := s.record("drop")
	if rec.Admission.RatePerMinute != 42 || rec.Admission.MaxActive != 7 || rec.Items[0].Stock != 90 || rec.Message != "Back at <ten>" {
		t.Fatalf("got %+v", rec)
	}
	refused := b.submit("/sales/drop/stock", url.Values{"sku": {"A"}, "change_by": {"5"}, "expected": {"100"}})
	refused.expect(409)
	refused.shows("The stock is not what was expected")
	refused = b.submit("/sales/drop/pace", url.Values{"rate_per_minute": {"x1"}, "max_active": {"7"}})
	refused.expect(400)
	refused.shows("People a minute: enter a whole number", `value="x1"`)
	refused = b.submit("/sales/drop/pace", url.Values{"rate_per_minute": {"0"}, "max_active": {"7"}})
	refused.expect(422)
	refused.shows("rate per minute: want between")
	step("end", url.Values{}, "sale.end")
	over := b.get("/sales/drop")
	over.shows("Ended")
	if strings.Contains(string(over.body), "Yes, end for good") {
		t.Fatal("an ended sale cannot be ended again")
	}
	b.get("/sales/none").expect(404)
}

func TestAViewerSeesNoButtons(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	b := s.signedIn(auth.Viewer)
	for _, path := range []string{"/sales", "/sales/drop", "/level"} {
		page := string(b.get(path).body)
		for _, button := range []string{"New sale", "Yes, pause", "Change the pace", "Show the message", "Fix at"} {
			if strings.Contains(page, button) {
				t.Errorf("%s shows %q", path, button)
			}
		}
	}
}

func TestASaleIsDeletedByForm(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", later)
	s.newSale("open", live)
	b := s.signedIn(auth.Admin)
	b.get("/sales/drop").shows("Yes, delete it")
	b.submit("/sales/drop/delete", url.Values{}).expect(303)
	b.get("/sales/drop").expect(404)
	b.submit("/sales/open/delete", url.Values{}).expect(409)
}

func TestTheLevelByForm(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Operator)
	b.submit("/level", url.Values{"level": {"critical"}}).expect(303)
	s.audited("level.override", "", "critical")
	b.get("/level?done=level").shows("The level is changed.", "Give back to measurement", "fixed at <strong>critical</strong>", "the operator")
	b.submit("/level", url.Values{"level": {"auto"}}).expect(303)
	b.submit("/level", url.Values{"level": {"panic"}}).expect(400)
}

func TestPagesSurviveTheLedgerBeingDown(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	b := s.browser()
	b.post("/sign-in", url.Values{"key": {bootstrapKey}}).expect(303)
	if err := s.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	b.get("/sales").expect(503)
	b.get("/sales/drop").shows("Sale drop", "not known", "Yes, pause") // from what Redis holds
	b.get("/level").expect(200)
	b.submit("/level", url.Values{"level": {"critical"}}).expect(303)
	s.browser().post("/sign-in", url.Values{"key": {"pk_" + strings.Repeat("A", 43)}}).shows("ledger does not answer")
}
