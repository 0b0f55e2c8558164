package degrade

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestFlagsGoOffInOrder(t *testing.T) {
	flags := Flags()
	if !slices.IsSortedFunc(flags, func(a, b Flag) int { return strings.Compare(a.Key, b.Key) }) {
		t.Error("flags are not sorted by key")
	}
	for _, f := range flags {
		if f.OffFrom <= Normal || f.About == "" {
			t.Errorf("%s: off from %v, about %q", f.Key, f.OffFrom, f.About)
		}
		for _, l := range Levels() {
			e, known := Evaluate(f.Key, l)
			if !known || e.Value != (l < f.OffFrom) || (e.Variant == "on") != e.Value {
				t.Errorf("%s at %v: %+v", f.Key, l, e)
			}
		}
	}
	if e, known := Evaluate("checkout", Survival); known {
		t.Errorf("unknown flag evaluated: %+v", e)
	}
	for key, offFrom := range map[string]Level{"recommendations": Elevated, "admin-writes": Critical} {
		if e, _ := Evaluate(key, offFrom-1); !e.Value {
			t.Errorf("%s is off below %v", key, offFrom)
		}
		if e, _ := Evaluate(key, offFrom); e.Value {
			t.Errorf("%s is on at %v", key, offFrom)
		}
	}
}

func TestOFREPOneFlag(t *testing.T) {
	tests := []struct {
		name, key, request string
		level              Level
		status             int
		want               string
	}{
		{
			"on", "reviews", `{"context":{"targetingKey":"u1"}}`, Normal, 200,
			`{"key":"reviews","reason":"STATIC","variant":"on","value":true,"metadata":{"level":"normal","off_from":"elevated"}}`,
		},
		{
			"off", "reviews", `{}`, Survival, 200,
			`{"key":"reviews","reason":"TARGETING_MATCH","variant":"off","value":false,"metadata":{"level":"survival","off_from":"elevated"}}`,
		},
		{"empty body", "admin-writes", ``, Normal, 200, ``},
		{"null context", "admin-writes", `{"context":null}`, Normal, 200, ``},
		{"extra members", "admin-writes", `{"context":{},"x":1}`, Normal, 200, ``},
		{"unknown", "nope", `{}`, Normal, 404, `{"key":"nope","errorCode":"FLAG_NOT_FOUND","errorDetails":"there is no flag of that name"}`},
		{"not JSON", "reviews", `{`, Normal, 400, `{"key":"reviews","errorCode":"PARSE_ERROR","errorDetails":"the body is not a JSON object"}`},
		{"not an object", "reviews", `[]`, Normal, 400, `{"key":"reviews","errorCode":"PARSE_ERROR","errorDetails":"the body is not a JSON object"}`},
		{"context a string", "reviews", `{"context":"me"}`, Normal, 400, `{"key":"reviews","errorCode":"INVALID_CONTEXT","errorDetails":"context must be an object"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := OFREPEvaluate(tt.key, []byte(tt.request), tt.level)
			if got.Status != tt.status {
				t.Errorf("status %d, want %d: %s", got.Status, tt.status, got.Body)
			}
			if tt.want != "" && !sameJSON(t, got.Body, tt.want) {
				t.Errorf("body %s\nwant %s", got.Body, tt.want)
			}
		})
	}
}

func TestOFREPBulk(t *testing.T) {
	first := OFREPEvaluateAll([]byte(`{"context":{"targetingKey":"u1"}}`), "", Elevated)
	if first.Status != 200 || first.ETag != `"elevated"` {
		t.Fatalf("%d %s", first.Status, first.ETag)
	}
	var body struct{ Flags []Evaluation }
	if err := json.Unmarshal(first.Body, &body); err != nil {
		t.Fatal(err)
	}
	if len(body.Flags) != len(Flags()) {
		t.Fatalf("%d flags, want %d", len(body.Flags), len(Flags()))
	}
	for i, f := range Flags() {
		want, _ := Evaluate(f.Key, Elevated)
		if got := body.Flags[i]; got.Key != f.Key || got.Value != want.Value {
			t.Errorf("flag %d: %+v, want %+v", i, got, want)
		}
	}
}

func TestOFREPBulkIsNotSentTwice(t *testing.T) {
	tests := []struct {
		ifNoneMatch string
		status      int
	}{
		{`"elevated"`, 304}, {`W/"elevated"`, 304}, {`"x", "elevated"`, 304}, {`*`, 304},
		{`"normal"`, 200}, {`elevated`, 200}, {``, 200},
	}
	for _, tt := range tests {
		got := OFREPEvaluateAll(nil, tt.ifNoneMatch, Elevated)
		if got.Status != tt.status || got.ETag != `"elevated"` || (len(got.Body) == 0) != (tt.status == 304) {
			t.Errorf("If-None-Match %s: %d %s %s", tt.ifNoneMatch, got.Status, got.ETag, got.Body)
		}
	}
	bad := OFREPEvaluateAll([]byte("{"), `"elevated"`, Elevated)
	if bad.Status != 400 || !sameJSON(t, bad.Body, `{"errorCode":"PARSE_ERROR","errorDetails":"the body is not a JSON object"}`) {
		t.Errorf("%d %s", bad.Status, bad.Body)
	}
}

func sameJSON(t *testing.T, got []byte, want string) bool {
	t.Helper()
	var a, b any
	if err := json.Unmarshal(got, &a); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
