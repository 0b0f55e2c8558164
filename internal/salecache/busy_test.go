package salecache

import (
	"testing"
	"time"
)

func TestASaleIsRefreshedAsOftenAsItNeeds(t *testing.T) {
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		busy, ready, begun bool
		untilNext          time.Duration
		want               time.Duration
	}{
		"visited":                     {busy: true, ready: true, begun: true, untilNext: day, want: busyPace},
		"being restored":              {ready: false, begun: true, untilNext: day, want: busyPace},
		"open and nobody there":       {ready: true, begun: true, untilNext: day, want: openPace},
		"scheduled":                   {ready: true, untilNext: day, want: quietPace},
		"scheduled, opens in 3 s":     {ready: true, untilNext: 3 * time.Second, want: 3*time.Second + time.Millisecond},
		"open and idle, ends in 1 s":  {ready: true, begun: true, untilNext: time.Second, want: time.Second + time.Millisecond},
		"scheduled and not armed yet": {untilNext: day, want: quietPace},
	} {
		if got := paceOf(c.busy, c.ready, c.begun, c.untilNext); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
