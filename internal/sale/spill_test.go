package sale

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func spillDoc(rules string) []byte {
	return []byte(`{"id":"a","name":"A","starts_at":"2026-12-01T10:00:00Z","ends_at":"2026-12-01T12:00:00Z",
		"items":[{"sku":"S","stock":10}],"channels":{"web":8,"app":1,"market":1},"spill":` + rules + `}`)
}

func TestASpillIsInForceFromItsMoment(t *testing.T) {
	s, err := Decode(spillDoc(`[{"from":"app","to":"web","after":"30m"},{"from":"market","at":"2026-12-01T11:00:00.0001Z"},{"from":"web","to":"app","when":"sold_out"}]`))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	for channel, want := range map[string][]SpillSource{
		"web":    {{"app", start.Add(30 * time.Minute)}, {"market", start.Add(time.Hour)}},
		"app":    {{"market", start.Add(time.Hour)}, {"web", time.UnixMilli(0)}},
		"market": nil,
	} {
		if got := s.SpillsTo(channel); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", channel, got, want)
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Decode(text); err != nil || !reflect.DeepEqual(again, s) {
		t.Fatalf("%+v, %v", again, err)
	}
}

func TestASpillThatMeansNothingIsRefused(t *testing.T) {
	for rules, field := range map[string]string{
		`[{"from":"fax","to":"web","after":"1m"}]`:                                                      "spill[0].from",
		`[{"from":"app","to":"fax","after":"1m"}]`:                                                      "spill[0].to",
		`[{"from":"app","to":"app","after":"1m"}]`:                                                      "spill[0].to",
		`[{"from":"app","to":"web"}]`:                                                                   "spill[0]",
		`[{"from":"app","to":"web","after":"1m","when":"sold_out"}]`:                                    "spill[0]",
		`[{"from":"app","to":"web","after":"-1m"}]`:                                                     "spill[0].after",
		`[{"from":"app","to":"web","at":"2026-12-01T12:00:00Z"}]`:                                       "spill[0].at",
		`[{"from":"app","to":"web","when":"later"}]`:                                                    "spill[0].when",
		`[{"from":"app","to":"web","after":"1m"},{"from":"app","to":"web","when":"sold_out"}]`:          "spill[1]",
		`[{"from":"app","to":"web","after":"1m"},{"from":"app","when":"sold_out"}]`:                     "spill[1]",
		`[{"from":"app","after":"1m"},{"from":"app","to":"web","when":"sold_out"}]`:                     "spill[1]",
		"[" + strings.Repeat(`{"from":"app","after":"1m"},`, MaxSpill) + `{"from":"app","after":"1m"}]`: "spill",
		`[{"from":"app","to":"web","after":"1m","if":"rain"}]`:                                          "if",
	} {
		_, err := Decode(spillDoc(rules))
		var invalid *Invalid
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%.90s: %v, want the field %s", rules, err, field)
		}
	}
}

func TestAChannelWithoutPassesIsNotThatOfVisitors(t *testing.T) {
	for list, field := range map[string]string{
		`["market"]`: "", `["fax"]`: "without_pass[0]", `["market","web"]`: "without_pass[1]", `["app","app"]`: "without_pass[1]",
	} {
		_, err := Decode([]byte(strings.Replace(string(spillDoc("[]")), `"id"`, `"without_pass":`+list+`,"id"`, 1)))
		var invalid *Invalid
		if field == "" && err != nil || field != "" && (!errors.As(err, &invalid) || invalid.Field != field) {
			t.Errorf("%s: %v, want the field %s", list, err, field)
		}
	}
}
