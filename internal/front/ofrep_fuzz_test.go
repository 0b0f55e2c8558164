package front

import (
	"encoding/json"
	"testing"

	"github.com/penstock/penstock/internal/degrade"
)

// Any request gets an answer of the protocol: a known status, and JSON that echoes the key.
func FuzzEvaluateFlag(f *testing.F) {
	f.Add("reviews", []byte(`{"context":{"targetingKey":"u"}}`), 0)
	f.Add("nope", []byte(`{"context":1}`), 3)
	f.Add("", []byte(`[`), -1)
	f.Fuzz(func(t *testing.T, key string, request []byte, level int) {
		one := evaluateFlag(key, request, degrade.Level(level))
		if !json.Valid(one.body) || (one.status != 200 && one.status != 400 && one.status != 404) {
			t.Errorf("%d %s", one.status, one.body)
		}
		all := evaluateFlags(request, "", degrade.Level(level))
		if !json.Valid(all.body) || (all.status != 200 && all.status != 400) {
			t.Errorf("%d %s", all.status, all.body)
		}
		if (one.status == 400) != (all.status == 400) {
			t.Errorf("one flag: %d, all flags: %d", one.status, all.status)
		}
	})
}
