package sale

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const minimal = `{"id":"spring-drop","name":"Spring drop","starts_at":"2026-12-01T10:00:00Z","ends_at":"2026-12-01T12:00:00Z","items":[{"sku":"SNKR-42","stock":1000}]}`

func TestAMinimalSaleGetsItsDefaults(t *testing.T) {
	s, err := Decode([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	want := Admission{Order: FIFO, RatePerMinute: 600, MaxActive: 500, PassTTL: DefaultPassTTL, ClaimWindow: DefaultClaimWindow, Mode: Queue, PassBinding: BindNothing, MaxNetworks: DefaultMaxNetworks}
	if !reflect.DeepEqual(s.Admission, want) {
		t.Errorf("admission %+v, want %+v", s.Admission, want)
	}
	if !s.OpensAt.Equal(s.StartsAt) || s.Durability != Journaled || s.Payment.Mode != PaymentNone || s.Handover != HandoverCode {
		t.Errorf("got %+v", s)
	}
	if s.Reservation.MaxExtensions != 1 || s.Reservation.TTL != DefaultTTL || s.Items[0].Name != "SNKR-42" {
		t.Errorf("got %+v", s)
	}
}

func TestZeroExtensionsIsAChoiceAndNotAnAbsence(t *testing.T) {
	doc := strings.Replace(minimal, `"items"`, `"reservation":{"max_extensions":0},"items"`, 1)
	s, err := Decode([]byte(doc))
	if err != nil || s.Reservation.MaxExtensions != 0 {
		t.Fatalf("got %d extensions, %v", s.Reservation.MaxExtensions, err)
	}
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	cases := map[string]struct{ from, to, field string }{
		"unknown member":     {`"name"`, `"colour":1,"name"`, "colour"},
		"unknown in items":   {`"stock":1000`, `"stock":1000,"stok":1`, "stok"},
		"id":                 {`"spring-drop"`, `"Spring Drop"`, "id"},
		"no name":            {`"Spring drop"`, `""`, "name"},
		"control characters": {`"Spring drop"`, `"a\nb"`, "name"},
		"ends before start":  {`12:00:00Z"`, `09:00:00Z"`, "ends_at"},
		"opens late":         {`"name"`, `"opens_at":"2026-12-01T11:00:00Z","name"`, "opens_at"},
		"draw needs opening": {`"name"`, `"admission":{"order":"draw"},"name"`, "opens_at"},
		"unknown order":      {`"name"`, `"admission":{"order":"loudest"},"name"`, "admission.order"},
		"negative rate":      {`"name"`, `"admission":{"rate_per_minute":-1},"name"`, "admission.rate_per_minute"},
		"negative stock":     {`1000`, `-1`, "items[0].stock"},
		"absurd stock":       {`1000`, `99999999999`, "items[0].stock"},
		"fractional stock":   {`1000`, `1.5`, "items.stock"},
		"no items":           {`{"sku":"SNKR-42","stock":1000}`, ``, "items"},
		"same sku twice":     {`{"sku":"SNKR-42","stock":1000}`, `{"sku":"A","stock":1},{"sku":"A","stock":1}`, "items[1].sku"},
		"script target":      {`"name"`, `"target_url":"javascript:alert(1)","name"`, "target_url"},
		"three slashes":      {`"name"`, `"target_url":"///evil.example/x","name"`, "target_url"},
		"directive in host":  {`"name"`, `"target_url":"https://h;sandbox/","name"`, "target_url"},
		"quote in host":      {`"name"`, `"target_url":"https://h'x/","name"`, "target_url"},
		"zone in host":       {`"name"`, `"target_url":"https://[fe80::1%25a;b]/","name"`, "target_url"},
		"name before host":   {`"name"`, `"target_url":"https://shop.example@evil.example/","name"`, "target_url"},
		"no host":            {`"name"`, `"target_url":"https:///x","name"`, "target_url"},
		"no slashes":         {`"name"`, `"target_url":"https:evil.example","name"`, "target_url"},
		"backslash in host":  {`"name"`, `"target_url":"https://shop.example\\\\@evil.example","name"`, "target_url"},
		"foreign host path":  {`"name"`, `"target_url":"//evil.example/x","name"`, "target_url"},
		"backslash path":     {`"name"`, `"target_url":"/\\\\evil.example/x","name"`, "target_url"},
		"duration number":    {`"name"`, `"reservation":{"ttl":300},"name"`, "document"},
		"duration too long":  {`"name"`, `"reservation":{"ttl":"90h"},"name"`, "reservation.ttl"},
		"currency":           {`"stock":1000`, `"stock":1,"price":{"amount":1,"currency":"euro"}`, "items[0].price.currency"},
		"channel of nothing": {`"name"`, `"channels":{"web":0},"name"`, "channels"},
		"channel in shadow":  {`"name"`, `"shadow":true,"channels":{"web":1,"app":1},"name"`, "channels"},
		"default channel":    {`"name"`, `"channels":{"web":1},"default_channel":"vip","name"`, "default_channel"},
		"default of none":    {`"name"`, `"default_channel":"web","name"`, "default_channel"},
		"customer rule":      {`"name"`, `"reservation":{"customer":"loose"},"name"`, "reservation.customer"},
		"plus tags":          {`"name"`, `"reservation":{"plus_tags":"some"},"name"`, "reservation.plus_tags"},
		"tags of exact":      {`"name"`, `"reservation":{"customer":"exact","plus_tags":"drop"},"name"`, "reservation.plus_tags"},
		"release as text":    {`"name"`, `"admission":{"release_on_order":"no"},"name"`, "document"},
		"payment":            {`"name"`, `"payment":{"mode":"authorize"},"name"`, "payment.mode"},
		"decoy":              {`"name"`, `"bots":{"decoy":"off"},"name"`, "bots.decoy"},
		"handover":           {`"name"`, `"handover":"cookie","name"`, "handover"},
		"trailing data":      {`]}`, `]} {}`, "document"},
		"cut off":            {`]}`, `]`, "document"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			doc := strings.Replace(minimal, c.from, c.to, 1)
			_, err := Decode([]byte(doc))
			var wrong *Invalid
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v for %s, want *Invalid", err, doc)
			}
			if wrong.Field != c.field {
				t.Fatalf("field %q (%s), want %q", wrong.Field, wrong.Reason, c.field)
			}
		})
	}
}

func TestTheSwitchesOfASaleAreOnUnlessItSaysOtherwise(t *testing.T) {
	for member, on := range map[string]bool{``: true, `"release_on_order":true`: true, `"release_on_order":null`: true, `"release_on_order":false`: false} {
		s, err := Decode([]byte(strings.Replace(minimal, `"items"`, `"admission":{`+member+`},"items"`, 1)))
		if err != nil || s.Admission.ReleaseOnOrder.On() != on {
			t.Fatalf("%s: %v, %v", member, s.Admission.ReleaseOnOrder.On(), err)
		}
		back, err := DecodeRecord(EncodeRecord(Record{Sale: s}))
		if err != nil || back.Admission.ReleaseOnOrder.On() != on {
			t.Fatalf("%s came back as %v, %v", member, back.Admission.ReleaseOnOrder.On(), err)
		}
		if !s.Admission.Grace.On() || !back.Admission.Grace.On() {
			t.Fatalf("%s switches the grace off", member)
		}
	}
	if s, err := Decode([]byte(minimal)); err != nil || s.Reservation.Customer != Normalized || s.Reservation.PlusTags != KeepTags {
		t.Fatalf("%+v, %v", s.Reservation, err)
	}
}

func TestVisitorsGetTheDefaultChannel(t *testing.T) {
	for _, row := range []struct {
		channels map[string]int64
		standard string
		want     string
		found    bool
	}{
		{nil, "", NoChannel, true},
		{map[string]int64{"web": 1, "app": 1}, "", "web", true},
		{map[string]int64{"web": 1, "app": 1}, "app", "app", true},
		{map[string]int64{"vip": 1, "app": 1}, "", "web", false},
	} {
		if name, found := (Sale{Channels: row.channels, DefaultChannel: row.standard}).VisitorChannel(); found != row.found || found && name != row.want {
			t.Errorf("%v with %q: %q, %v", row.channels, row.standard, name, found)
		}
	}
}

func TestWhatWasReadCanBeSentBack(t *testing.T) {
	s, err := Decode([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	rec := Record{Sale: s, Control: Control{Paused: true, Notice: Notice{Message: "soon"}}, Version: 4, Epoch: 1}
	back, err := Decode(EncodeRecord(rec))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := json.Marshal(s)
	b, _ := json.Marshal(back)
	if string(a) != string(b) {
		t.Fatalf("%s became %s", a, b)
	}
	again, err := DecodeRecord(EncodeRecord(rec))
	if err != nil || again.Version != 4 || !again.Paused || again.Message != "soon" {
		t.Fatalf("record became %+v, %v", again, err)
	}
}

func TestARecordOfAnEarlierVersionGetsTheDefaultsOfThisOne(t *testing.T) {
	old := `{"id":"spring-drop","name":"Spring drop","starts_at":"2026-12-01T10:00:00Z","ends_at":"2026-12-01T12:00:00Z",
		"admission":{"rate_per_minute":7},"reservation":{"max_extensions":0},"items":[{"sku":"SNKR-42","name":"S","stock":1000}],"version":3}`
	r, err := DecodeRecord([]byte(old))
	if err != nil {
		t.Fatal(err)
	}
	if a := r.Admission; a.MaxNetworks != DefaultMaxNetworks || a.PassBinding != BindNothing || a.RatePerMinute != 7 || r.Handover != HandoverCode {
		t.Errorf("admission %+v", a)
	}
	if r.Reservation.MaxExtensions != 0 || r.Version != 3 {
		t.Errorf("record %+v", r)
	}
}

func TestThePhasesFollowTheClockToTheMillisecond(t *testing.T) {
	start := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	r := Record{Sale: Sale{OpensAt: start.Add(-time.Minute), StartsAt: start, EndsAt: start.Add(time.Hour)}}
	paused, ended, draft := r, r, r
	paused.Paused, ended.Ended, draft.Draft = true, true, true
	cases := []struct {
		name    string
		rec     Record
		at      time.Duration
		soldOut bool
		want    Phase
	}{
		{"before the doors open", r, -time.Minute - time.Millisecond, false, PhaseScheduled},
		{"when the doors open", r, -time.Minute, false, PhasePrequeue},
		{"just before the start", r, -time.Millisecond, false, PhasePrequeue},
		{"at the start", r, 0, false, PhaseLive},
		{"sold out", r, time.Minute, true, PhaseSoldOut},
		{"just before the end", r, time.Hour - time.Millisecond, false, PhaseLive},
		{"at the end", r, time.Hour, false, PhaseEnded},
		{"ended by hand", ended, time.Minute, false, PhaseEnded},
		{"paused", paused, time.Minute, false, PhasePaused},
		{"paused before the doors open", paused, -time.Hour, false, PhaseScheduled},
		{"paused does not outlive the end", paused, 2 * time.Hour, false, PhaseEnded},
		{"paused wins over sold out", paused, time.Minute, true, PhasePaused},
		{"a draft stays a draft", draft, time.Minute, false, PhaseDraft},
	}
	for _, c := range cases {
		if got := c.rec.PhaseAt(start.Add(c.at), c.soldOut); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestSharesAddUpToTheStockAndFollowTheWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.MapOfN(rapid.StringMatching(`[a-z]{1,8}`), rapid.Int64Range(0, MaxStock), 1, 6).Draw(t, "weights")
		var total int64
		for _, w := range weights {
			total += w
		}
		if total == 0 {
			t.Skip()
		}
		stock := rapid.Int64Range(0, MaxStock).Draw(t, "stock")
		var sum int64
		for name, units := range (Sale{Channels: weights}).Shares(Item{Stock: stock}) {
			sum += units
			exact := float64(stock) * float64(weights[name]) / float64(total)
			if d := float64(units) - exact; d < -1.000001 || d > 1.000001 {
				t.Fatalf("%s got %d, its exact share is %f", name, units, exact)
			}
		}
		if sum != stock {
			t.Fatalf("shares add up to %d of %d", sum, stock)
		}
	})
}

func TestDurationsAreWrittenAsPeopleWriteThem(t *testing.T) {
	for text, d := range map[string]time.Duration{"10m": 10 * time.Minute, "1h": time.Hour, "1h30m": 90 * time.Minute, "10s": 10 * time.Second, "1m30s": 90 * time.Second, "500ms": 500 * time.Millisecond} {
		if got := Duration(d).String(); got != text {
			t.Errorf("%v is written %q, want %q", d, got, text)
		}
	}
}

func TestAvailabilityTellsHeldFromSold(t *testing.T) {
	cases := []struct {
		available, held, allocated int64
		want                       Availability
	}{{100, 0, 100, InStock}, {11, 0, 100, InStock}, {10, 5, 100, Low}, {0, 1, 100, HeldOut}, {0, 0, 100, SoldOut}, {0, 0, 0, SoldOut}}
	for _, c := range cases {
		if got := AvailabilityOf(c.available, c.held, c.allocated); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(`{"items":[{}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		s, err := Decode(doc)
		if err != nil {
			return
		}
		if again := s.Validate(); again != nil {
			t.Fatalf("accepted and then refused: %v", again)
		}
		if _, err := DecodeRecord(EncodeRecord(Record{Sale: s})); err != nil {
			t.Fatal(err)
		}
	})
}

func TestATargetIsAnAddressOrALocalPath(t *testing.T) {
	for _, target := range []string{
		"/checkout", "/checkout?x=1&y=//z#a", "/", "https://shop.example/checkout", "http://127.0.0.1:8080/", "https://[2001:db8::1]:8443/x",
		"https://xn--lden-5qa.example/",
	} {
		if !AllowedTarget(target) {
			t.Errorf("%q is refused", target)
		}
	}
}
