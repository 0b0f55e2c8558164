package front

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/internal/problem"
)

func testMetrics(t testing.TB) *metrics {
	t.Helper()
	m, err := newMetrics(prometheus.NewRegistry(), new(atomic.Int64))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAProblemIsWrittenAsPackageProblemWritesIt(t *testing.T) {
	for _, err := range []error{
		problem.SoldOut,
		problem.With(problem.NotCalled, "wait\n<b>", problem.F("poll_after_ms", int64(900)), problem.F("code", "fine")),
		problem.With(problem.SoldOut, "", problem.F("may_return", true), problem.F("sku", `A"1`), problem.F("more", []int{1})),
	} {
		doc, _ := problem.Of(err)
		doc.Instance = "/v1/sales/ä/x"
		want, marshalErr := json.Marshal(doc)
		if marshalErr != nil {
			t.Fatal(marshalErr)
		}
		got := appendProblem(nil, &doc, []byte(doc.Instance))
		var gotDoc, wantDoc any
		if err := json.Unmarshal(got, &gotDoc); err != nil {
			t.Fatalf("%s: %v", got, err)
		}
		if err := json.Unmarshal(want, &wantDoc); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(gotDoc, wantDoc) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "plain", "\"\\\n\x00", "ä😀", "\xff\xed\xa0\x80", "</script>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var back string
		if err := json.Unmarshal(appendString(nil, text), &back); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if utf8.ValidString(text) && back != text {
			t.Fatalf("%q came back as %q", text, back)
		}
		if string(appendString(nil, []byte(text))) != string(appendString(nil, text)) {
			t.Fatal("bytes and string differ")
		}
	})
}

func TestTimesAreUTCWithMilliseconds(t *testing.T) {
	at := time.Date(2026, 12, 1, 11, 0, 0, 250e6, time.FixedZone("", 3600))
	if got := string(appendTime(nil, at)); got != `"2026-12-01T10:00:00.25Z"` {
		t.Fatal(got)
	}
}
