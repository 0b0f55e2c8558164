package queue

import (
	"testing"

	"pgregory.net/rapid"
)

func TestOldNewsDoesNotBringAPassBack(t *testing.T) {
	b := newBook()
	b.claimed(7, 1000, true)
	b.gone(7)
	b.apply("c:7:0:1") // what a refresh tells that was under way
	if f := b.facts(7); !f.used || f.expiresMillis != 0 {
		t.Fatalf("%+v", f)
	}
	b.claimed(8, 1000, true)
	b.apply("c:8:0:1")
	if f := b.facts(8); f.expiresMillis != 1000 || !f.kept {
		t.Fatalf("%+v", f)
	}
}

func TestABookForgetsWhatHasLapsed(t *testing.T) {
	b := newBook()
	b.claimed(1, 1000, false)
	b.claimed(2, 2000, false)
	b.apply("g:3:500")
	b.apply("g:4:900")
	b.prune(1000, 500)
	if len(b.active) != 1 || len(b.renewedWindows) != 1 || b.facts(2).expiresMillis != 2000 || b.facts(4).renewedUntil != 900 {
		t.Fatalf("%+v", b)
	}
	if !b.facts(1).used {
		t.Fatal("a used ticket is as good as new")
	}
}

func TestABitmapHoldsWhatWasPutIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bitmap
		want := make(map[Number]bool)
		for _, n := range rapid.SliceOfN(rapid.Uint64Range(1, 5000), 0, 50).Draw(t, "numbers") {
			b = b.set(Number(n))
			want[Number(n)] = true
		}
		for n := Number(0); n < 6000; n++ {
			if b.has(n) != want[n] {
				t.Fatalf("number %d: %v", n, b.has(n))
			}
		}
	})
}

func FuzzChange(f *testing.F) {
	f.Add("c:1:2:3")
	f.Add("g:1:2")
	f.Add("r:1")
	f.Add("::::")
	f.Fuzz(func(t *testing.T, entry string) {
		if c, ok := parseChange(entry); ok && (c.number < 1 || c.number > maxNumber || c.a < 0 || c.b < 0) {
			t.Fatalf("%+v", c)
		}
		newBook().apply(entry)
	})
}
