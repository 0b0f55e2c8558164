package console

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/sale"
)

// membersWithoutField are the members of a sale that the form does not show under their own path, each with the
// field or the reason.
var membersWithoutField = map[string]struct{ field, reason string }{
	"draft":                          {"intent", "the button that is pressed says it"},
	"payment.mode":                   {"", "there is one mode only: the shop charges"},
	"spill[].from":                   {"spill", "a line of one field for all rules"},
	"spill[].to":                     {"spill", "a line of one field for all rules"},
	"spill[].after":                  {"spill", "a line of one field for all rules"},
	"spill[].at":                     {"spill", "a line of one field for all rules"},
	"spill[].when":                   {"spill", "a line of one field for all rules"},
	"page.links.other_items[].name":  {"page.links.other_items", "a line of one field for all items"},
	"page.links.other_items[].url":   {"page.links.other_items", "a line of one field for all items"},
	"page.links.other_items[].image": {"page.links.other_items", "a line of one field for all items"},
	"identity.jwks[]":                {"identity.jwks", "one field for the set"},
	"identity.shared_keys[]":         {"identity.shared_keys", "one field for all names"},
	"page.languages[]":               {"page.languages", "one field for all languages"},
	"draw.beacon.urls[]":             {"draw.beacon.urls", "one field for all addresses"},
	"draw.beacon.scheme":             {"", "there is one scheme only"},
	"draw.shares[].party":            {"draw.shares", "a line of one field for all parties"},
	"draw.shares[].commitment":       {"draw.shares", "a line of one field for all parties"},
	"admission.lanes[].name":         {"admission.lanes", "a line of one field for all lanes"},
	"admission.lanes[].share":        {"admission.lanes", "a line of one field for all lanes"},
	"without_pass[]":                 {"without_pass", "one field for all names"},
	"items[].sku":                    {"sku", "a column of the table of items"},
	"items[].name":                   {"item_name", "a column of the table of items"},
	"items[].stock":                  {"stock", "a column of the table of items"},
	"items[].per_customer":           {"limit", "a column of the table of items"},
	"items[].price.amount":           {"price", "a column of the table of items"},
	"items[].price.currency":         {"currency", "one field for all items"},
}

// membersOf are the paths of a document's members, those of objects within it included.
func membersOf(t reflect.Type, prefix string) (paths []string) {
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		kind, path := field.Type, prefix+name
		for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
			if kind.Kind() == reflect.Slice {
				path += "[]"
			}
			kind = kind.Elem()
		}
		if kind.Kind() == reflect.Struct && kind != reflect.TypeFor[time.Time]() && kind != reflect.TypeFor[sale.Switch]() {
			paths = append(paths, membersOf(kind, path+".")...)
			continue
		}
		paths = append(paths, path)
	}
	return paths
}

func TestEveryMemberOfASaleHasAField(t *testing.T) {
	s := newStage(t)
	page := string(s.signedIn(auth.Marketer).get("/new-sale").body)
	members := membersOf(reflect.TypeFor[sale.Sale](), "")
	for _, member := range members {
		field := member
		if listed, there := membersWithoutField[member]; there {
			if field = listed.field; field == "" && listed.reason != "" {
				continue
			}
		}
		if !strings.Contains(page, `name="`+field+`"`) {
			t.Errorf("the form has no field for %s: give it one, or list the member with the reason", member)
		}
	}
	for listed := range maps.Keys(membersWithoutField) {
		if !slices.Contains(members, listed) {
			t.Errorf("a sale has no member %s", listed)
		}
	}
}

func TestTheRulesOfASaleAreSetByForm(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	v := saleValues("spring")
	for field, value := range map[string]string{
		"admission.pass_binding": "device", "admission.max_networks": "3", "admission.release_on_order": "false", "admission.grace": "false",
		"admission.renewal.by": "5", "admission.renewal.max": "2",
		"reservation.customer": "normalized", "reservation.plus_tags": "drop", "failed_orders": "withhold",
		"channels": " web 800\r\n\r\napp: 200\r\nmarket 5", "default_channel": "app",
		"spill": "market to app after 30m\r\n web  to * when sold_out\r\n", "without_pass": "market",
	} {
		v.Set(field, value)
	}
	b.submit("/new-sale", v).expect(303)
	got := s.record("spring").Sale
	want := got
	want.Admission.PassBinding, want.Admission.MaxNetworks, want.Admission.ReleaseOnOrder = sale.BindDevice, 3, sale.Off()
	want.Admission.Grace = sale.Off()
	want.Admission.Renewal = sale.Renewal{By: sale.Duration(5 * time.Minute), Max: 2}
	want.Reservation.Customer, want.Reservation.PlusTags, want.FailedOrders = sale.Normalized, sale.DropTags, sale.WithholdUnits
	want.Channels, want.DefaultChannel = map[string]int64{"web": 800, "app": 200, "market": 5}, "app"
	want.Spill = []sale.Spill{{From: "market", To: "app", After: sale.Duration(30 * time.Minute)}, {From: "web", When: sale.WhenSoldOut}}
	want.WithoutPass = []string{"market"}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v", got)
	}
	b.get("/sales/spring/edit").shows(
		`<option value="device" selected>`, `value="3"`, `<option value="false" selected>`, `<option value="drop" selected>`, `<option value="withhold" selected>`,
		"app 200\nmarket 5\nweb 800</textarea>", `value="app"`, "market to app after 30m\nweb to * when sold_out</textarea>", `value="market"`)

	v.Set("version", "1")
	v.Set("admission.release_on_order", "true")
	v.Set("admission.grace", "true")
	for _, field := range []string{"channels", "default_channel", "spill", "without_pass", "admission.renewal.by", "admission.renewal.max"} {
		v.Set(field, "")
	}
	b.submit("/sales/spring/edit", v).expect(303)
	if got := s.record("spring"); !got.Admission.ReleaseOnOrder.On() || !got.Admission.Grace.On() || len(got.Channels) != 0 || got.DefaultChannel != "" || got.Spill != nil || got.WithoutPass != nil || got.Admission.Renewal != (sale.Renewal{}) {
		t.Fatalf("got %+v", got.Sale)
	}
}

func TestWrongRulesAreShownOpenBesideTheirField(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	for typed, reason := range map[string]string{
		"web 800\nweb 2": "enter a line for each channel", "web": "enter a line for each channel", "web many": "enter a line for each channel",
		"Web 1": "is not a name of", "web -1": "web: want between 0 and", "web 0": "at least one share", "a b 1": "enter a line for each channel",
		manyChannels(): "at most 20 channels",
	} {
		v := saleValues("spring")
		v.Set("channels", typed)
		page := b.submit("/new-sale", v)
		page.expect(422)
		page.shows(`<details class="card more" open>`, `rows="3" spellcheck="false" autocapitalize="none" aria-invalid="true"`, reason)
	}
	for field, value := range map[string]string{"admission.max_networks": "0", "admission.pass_binding": "shoe", "default_channel": "none", "reservation.plus_tags": "cut",
		"spill": "web to", "without_pass": "web"} {
		v := saleValues("spring")
		v.Set("channels", "web 1")
		v.Set("spill", "")
		v.Set("without_pass", "")
		v.Set(field, value)
		page := b.submit("/new-sale", v)
		page.expect(422)
		page.shows(`<details class="card more" open>`, `aria-describedby="`+field+`-about"`)
	}
}

// manyChannels are more than a sale may have.
func manyChannels() string {
	var lines strings.Builder
	for i := range sale.MaxChannels + 5 {
		lines.WriteString("c" + string(rune('a'+i)) + " 1\n")
	}
	return lines.String()
}

func TestTheRulesOfARunningSaleThatAreFixedStay(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	b := s.signedIn(auth.Operator)
	page := b.get("/sales/drop/edit")
	for _, field := range []string{"reservation.customer", "reservation.plus_tags", "durability"} {
		page.shows(`<select id="` + field + `" name="` + field + `" disabled`)
	}
	before := s.record("drop")
	v := url.Values{}
	maps.Copy(v, saleValues("drop"))
	v.Set("version", "1")
	v.Set("ends_at", before.EndsAt.Format("2006-01-02T15:04:05"))
	v.Set("channels", "web 1")
	v.Set("reservation.plus_tags", "drop")
	v.Set("admission.pass_binding", "network")
	b.submit("/sales/drop/edit", v).expect(303)
	after := s.record("drop")
	if len(after.Channels) != 0 || after.Reservation.PlusTags != sale.KeepTags || after.Admission.PassBinding != sale.BindNetwork {
		t.Fatalf("got %+v", after.Sale)
	}
}
