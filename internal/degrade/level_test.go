package degrade

import (
	"encoding/json"
	"testing"
)

func TestLevelsHaveNames(t *testing.T) {
	for _, l := range Levels() {
		parsed, err := ParseLevel(l.String())
		if err != nil || parsed != l {
			t.Errorf("ParseLevel(%q) = %v, %v", l.String(), parsed, err)
		}
		var decoded struct{ L Level }
		doc, err := json.Marshal(struct{ L Level }{l})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(doc, &decoded); err != nil || decoded.L != l {
			t.Errorf("%s decodes to %v, %v", doc, decoded.L, err)
		}
	}
	for _, bad := range []string{"", "Normal", "panic", "level(7)"} {
		if l, err := ParseLevel(bad); err == nil {
			t.Errorf("ParseLevel(%q) = %v, want an error", bad, l)
		}
	}
	if _, err := json.Marshal(Level(7)); err == nil {
		t.Error("a level that does not exist was encoded")
	}
}

func TestAdmissionFactor(t *testing.T) {
	want := map[Level]float64{Normal: 1, Elevated: 0.5, Critical: 0.2, Survival: 0.05, Level(-1): 1, Level(9): 0.05}
	for l, factor := range want {
		if got := l.AdmissionFactor(); got != factor {
			t.Errorf("%v: factor %v, want %v", l, got, factor)
		}
	}
}
