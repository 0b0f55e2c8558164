package preflight

import (
	"strings"
	"testing"
)

func TestAShortAdminKeyIsWarnedOf(t *testing.T) {
	short, long := AdminKey(len("repro-admin-key"))[0], AdminKey(32)[0]
	if short.Verdict != Warn || short.Advice == "" || !strings.Contains(short.Detail, "15 characters") {
		t.Errorf("short: %+v", short)
	}
	if long.Verdict != OK || long.Advice != "" {
		t.Errorf("long: %+v", long)
	}
}
