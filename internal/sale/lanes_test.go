package sale

import (
	"strings"
	"testing"
)

func withLanes(lanes string) string {
	return strings.Replace(minimal, `{"id"`, `{"admission":{"lanes":`+lanes+`},"id"`, 1)
}

func TestLanesLeaveSomethingToEverybody(t *testing.T) {
	s, err := Decode([]byte(withLanes(`[{"name":"vip","share":0.2},{"name":"members","share":0.75}]`)))
	if err != nil || !s.Admission.HasLane("vip") || s.Admission.HasLane("") {
		t.Fatalf("%+v, %v", s.Admission.Lanes, err)
	}
	if share := DefaultLaneShare(s.Admission.Lanes); share < 0.0499 || share > 0.0501 {
		t.Fatalf("everybody has %v", share)
	}
	for lanes, reason := range map[string]string{
		`[{"name":"vip","share":0.5},{"name":"members","share":0.46}]`:                       "leave less than 0.05",
		`[{"name":"vip","share":0.96}]`:                                                      "share: want 0.01 to 0.95",
		`[{"name":"vip","share":0}]`:                                                         "share: want 0.01",
		`[{"name":"vip","share":-0.2}]`:                                                      "share: want 0.01",
		`[{"name":"VIP","share":0.2}]`:                                                       "name: want 1 to 32",
		`[{"name":"","share":0.2}]`:                                                          "name: want 1 to 32",
		`[{"name":"a","share":0.2},{"name":"a","share":0.2}]`:                                "twice",
		"[" + strings.Repeat(`{"name":"a","share":0.01},`, 8) + `{"name":"b","share":0.01}]`: "at most 8",
	} {
		if _, err := Decode([]byte(withLanes(lanes))); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v; want %s", lanes, err, reason)
		}
	}
	draw := strings.Replace(withLanes(`[{"name":"vip","share":0.2}]`), `"lanes"`, `"order":"draw","lanes"`, 1)
	if _, err := Decode([]byte(draw)); err == nil || !strings.Contains(err.Error(), "opens_at before starts_at") {
		t.Errorf("a draw with lanes and without a time before it: %v", err)
	}
	if _, err := Decode([]byte(strings.Replace(draw, `"id"`, `"opens_at":"2026-12-01T09:00:00Z","id"`, 1))); err != nil {
		t.Errorf("a draw with lanes: %v", err)
	}
}
