package queue

import (
	"testing"
	"time"
)

func TestUnitsToCallForAreCountedPerItem(t *testing.T) {
	for _, c := range []struct {
		name string
		out  Outside
		want int64
	}{
		{"not known", Outside{}, -1},
		{"no item", Outside{Items: []Units{}}, 0},
		{"two items", Outside{Items: []Units{{Available: 3}, {Available: 4, Held: 9}}}, 7},
		{"one owes units", Outside{Items: []Units{{Available: -5, Held: 1}, {Available: 4}}}, 4},
		{"one is sold out", Outside{Items: []Units{{}, {Available: 2}}}, 2},
		{"all are held", Outside{Items: []Units{{Held: 2}, {Available: -1, Held: 2}}}, 0},
	} {
		if got := c.out.free(); got != c.want {
			t.Errorf("%s: %d units, want %d", c.name, got, c.want)
		}
	}
}

func TestAnItemThatOwesUnitsDoesNotStopTheLineForAnother(t *testing.T) {
	c, client := newClock(t)
	r := openRoom(t, client, testSale(c.now), nil)
	join(t, r, 5)
	for range 20 {
		advance(t, r, Outside{Items: []Units{{Available: -3}, {Available: 2}}, LevelFactor: 1})
		c.forward(100 * time.Millisecond)
	}
	if s := r.Snapshot(); s.Called != 2 {
		t.Fatalf("%d are called for two units", s.Called)
	}
}
