package queue

import "testing"

func TestAdmissionsOfLatelyAreCountedFromTheTicks(t *testing.T) {
	var l lately
	tick := func(seconds, claimed int64, lastMinute int) int64 {
		return l.count(&Snapshot{NowMillis: seconds * 1000, AdmittedLastMinute: lastMinute, room: roomState{claimed: claimed, gen: "g"}})
	}
	if got := tick(0, 7, 5); got != 5 {
		t.Fatalf("a new leader counts %d, want the whole last minute", got)
	}
	for second := int64(1); second <= 19; second++ {
		tick(second, 7, 5)
	}
	if got := tick(20, 8, 6); got != 1 {
		t.Fatalf("after 20 s %d, want the 1 of that time", got)
	}
	if got := tick(30, 8, 6); got != 1 {
		t.Fatalf("10 s after it came %d, want 1", got)
	}
	if got := tick(41, 8, 6); got != 0 {
		t.Fatalf("21 s after it came %d, want 0", got)
	}
	if got := tick(42, 2, 2); got != 2 {
		t.Fatalf("in a room that was rebuilt %d, want the whole last minute", got)
	}
}
