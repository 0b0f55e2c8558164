package front

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/degrade"
)

func TestOFREPOneFlag(t *testing.T) {
	tests := []struct {
		name, key, request string
		level              degrade.Level
		status             int
		want               string
	}{
		{
			"on", "reviews", `{"context":{"targetingKey":"u1"}}`, degrade.Normal, 200,
			`{"key":"reviews","reason":"STATIC","variant":"on","value":true,"metadata":{"level":"normal","off_from":"elevated"}}`,
		},
		{
			"off", "reviews", `{}`, degrade.Survival, 200,
			`{"key":"reviews","reason":"TARGETING_MATCH","variant":"off","value":false,"metadata":{"level":"survival","off_from":"elevated"}}`,
		},
		{"empty body", "admin-writes", ``, degrade.Normal, 200, ``},
		{"null context", "admin-writes", `{"context":null}`, degrade.Normal, 200, ``},
		{"extra members", "admin-writes", `{"context":{},"x":1}`, degrade.Normal, 200, ``},
		{"unknown", "nope", `{}`, degrade.Normal, 404, `{"key":"nope","errorCode":"FLAG_NOT_FOUND","errorDetails":"there is no flag of that name"}`},
		{"not JSON", "reviews", `{`, degrade.Normal, 400, `{"key":"reviews","errorCode":"PARSE_ERROR","errorDetails":"the body is not a JSON object"}`},
		{"not an object", "reviews", `[]`, degrade.Normal, 400, `{"key":"reviews","errorCode":"PARSE_ERROR","errorDetails":"the body is not a JSON object"}`},
		{"context a string", "reviews", `{"context":"me"}`, degrade.Normal, 400, `{"key":"reviews","errorCode":"INVALID_CONTEXT","errorDetails":"context must be an object"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := evaluateFlag(tt.key, []byte(tt.request), tt.level)
			if got.status != tt.status {
				t.Errorf("status %d, want %d: %s", got.status, tt.status, got.body)
			}
			if tt.want != "" && !sameJSON(t, got.body, tt.want) {
				t.Errorf("body %s\nwant %s", got.body, tt.want)
			}
		})
	}
}

func TestOFREPBulk(t *testing.T) {
	first := evaluateFlags([]byte(`{"context":{"targetingKey":"u1"}}`), "", degrade.Elevated)
	if first.status != 200 || first.etag != `"elevated"` {
		t.Fatalf("%d %s", first.status, first.etag)
	}
	var body struct{ Flags []degrade.Evaluation }
	if err := json.Unmarshal(first.body, &body); err != nil {
		t.Fatal(err)
	}
	if len(body.Flags) != len(degrade.Flags()) {
		t.Fatalf("%d flags, want %d", len(body.Flags), len(degrade.Flags()))
	}
	for i, f := range degrade.Flags() {
		want, _ := degrade.Evaluate(f.Key, degrade.Elevated)
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
		got := evaluateFlags(nil, tt.ifNoneMatch, degrade.Elevated)
		if got.status != tt.status || got.etag != `"elevated"` || (len(got.body) == 0) != (tt.status == 304) {
			t.Errorf("If-None-Match %s: %d %s %s", tt.ifNoneMatch, got.status, got.etag, got.body)
		}
	}
	bad := evaluateFlags([]byte("{"), `"elevated"`, degrade.Elevated)
	if bad.status != 400 || !sameJSON(t, bad.body, `{"errorCode":"PARSE_ERROR","errorDetails":"the body is not a JSON object"}`) {
		t.Errorf("%d %s", bad.status, bad.body)
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

// Whatever refuses a request for flags, its client can read the refusal.
func TestEveryRefusalOfFlagsIsInTheShapeOfTheProtocol(t *testing.T) {
	s := newStack(t)
	const flags = "/ofrep/v1/evaluate/flags"
	long := strings.Repeat("x", 9000)
	for _, row := range []struct {
		method, path string
		h            header
		body         string
		status       int
		key, code    string
	}{
		{"POST", flags + "/a/b", nil, "{}", 404, "a/b", "FLAG_NOT_FOUND"},
		{"POST", flags + "/", nil, "{}", 404, "", "FLAG_NOT_FOUND"},
		{"POST", flags + "/a%2Fb%20c", nil, "{}", 404, "a/b c", "FLAG_NOT_FOUND"},
		{"POST", flags + "/" + long, nil, "{}", 404, long, "FLAG_NOT_FOUND"},
		{"GET", flags + "/reviews", nil, "", 405, "reviews", "GENERAL"},
		{"GET", flags, nil, "", 405, "", "GENERAL"},
		{"POST", flags, nil, "[", 400, "", "PARSE_ERROR"},
		{"POST", flags + "/reviews", header{"Content-Type": "text/plain", "Cookie": "a=b"}, "{}", 415, "reviews", "PARSE_ERROR"},
		{"POST", flags + "/reviews", header{"Content-Encoding": "gzip"}, "{}", 415, "reviews", "PARSE_ERROR"},
		{"POST", flags, nil, `{"context":{"blob":"` + strings.Repeat("x", 70_000) + `"}}`, 413, "", "GENERAL"},
		{"POST", flags + "/reviews", nil, `{"context":{"blob":"` + strings.Repeat("x", 70_000) + `"}}`, 413, "reviews", "GENERAL"},
	} {
		got := s.do(row.method, row.path, row.h, row.body)
		doc := got.json(t)
		key, _ := doc["key"].(string)
		if got.StatusCode != row.status || doc["errorCode"] != row.code || doc["errorDetails"] == "" || key != row.key || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %.60s: %d %.200s", row.method, row.path, got.StatusCode, got.body)
		}
	}
	s.expect(404, "not_found", "POST", "/ofrep/v1/evaluate/flagsfoo", nil, "{}")
}
