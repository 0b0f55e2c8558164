package degrade

import (
	"encoding/json"
	"testing"
)

// Any request gets an answer of the protocol: a known status, and JSON that echoes the key.
func FuzzOFREPEvaluate(f *testing.F) {
	f.Add("reviews", []byte(`{"context":{"targetingKey":"u"}}`), 0)
	f.Add("nope", []byte(`{"context":1}`), 3)
	f.Add("", []byte(`[`), -1)
	f.Fuzz(func(t *testing.T, key string, request []byte, level int) {
		one := OFREPEvaluate(key, request, Level(level))
		if !json.Valid(one.Body) || (one.Status != 200 && one.Status != 400 && one.Status != 404) {
			t.Errorf("%d %s", one.Status, one.Body)
		}
		all := OFREPEvaluateAll(request, "", Level(level))
		if !json.Valid(all.Body) || (all.Status != 200 && all.Status != 400) {
			t.Errorf("%d %s", all.Status, all.Body)
		}
		if (one.Status == 400) != (all.Status == 400) {
			t.Errorf("one flag: %d, all flags: %d", one.Status, all.Status)
		}
	})
}
