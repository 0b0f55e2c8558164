package queue

import (
	"testing"

	"pgregory.net/rapid"
)

func TestTheDrawGivesEveryPlaceOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), seedBytes, seedBytes).Draw(t, "seed")
		count := rapid.Uint64Range(0, 3000).Draw(t, "count")
		d := NewDraw(seed, 0, count)
		taken := make([]bool, count+1)
		for n := uint64(1); n <= count; n++ {
			place := d.Place(Number(n))
			if place < 1 || place > count || taken[place] {
				t.Fatalf("place %d of ticket %d among %d is out of range or taken", place, n, count)
			}
			taken[place] = true
			if back := d.NumberAt(place); back != Number(n) {
				t.Fatalf("place %d belongs to ticket %d, not %d", place, back, n)
			}
		}
	})
}

func TestLaterArrivalsStandBehindTheDraw(t *testing.T) {
	d := NewDraw(make([]byte, seedBytes), 0, 100)
	for n := Number(101); n < 200; n++ {
		if d.Place(n) != uint64(n) || d.NumberAt(uint64(n)) != n {
			t.Fatalf("ticket %d has place %d", n, d.Place(n))
		}
	}
}

func TestTheDrawInvertsForLargeCrowds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), seedBytes, seedBytes).Draw(t, "seed")
		count := rapid.Uint64Range(1, maxNumber).Draw(t, "count")
		n := Number(rapid.Uint64Range(1, count).Draw(t, "ticket"))
		d := NewDraw(seed, 0, count)
		place := d.Place(n)
		if place < 1 || place > count || d.NumberAt(place) != n {
			t.Fatalf("ticket %d among %d: place %d, back %d", n, count, place, d.NumberAt(place))
		}
	})
}

// The published vectors of SipHash-2-4: key 00 … 0f, message 00 … 07.
func TestSipHashMatchesItsReference(t *testing.T) {
	if got := sipHash(0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x0706050403020100); got != 0x93f5f5799a932462 {
		t.Fatalf("got %x", got)
	}
}

// A fixed draw, so that whoever checks a draw by another program can check the program.
func TestAKnownDraw(t *testing.T) {
	seed := make([]byte, seedBytes)
	for i := range seed {
		seed[i] = byte(i)
	}
	if got := Commitment(seed); got != "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd" {
		t.Fatalf("commitment %s", got)
	}
	d := NewDraw(seed, 0, 10)
	var got [10]uint64
	for i := range got {
		got[i] = d.Place(Number(i + 1))
	}
	if want := knownDraw; got != want {
		t.Fatalf("places %v, want %v", got, want)
	}
}

func BenchmarkDrawPlace(b *testing.B) {
	for _, count := range []uint64{1000, 1_048_577} {
		b.Run("", func(b *testing.B) {
			d := NewDraw(make([]byte, seedBytes), 0, count)
			n := Number(0)
			for b.Loop() {
				n = n%Number(count) + 1
				d.Place(n)
			}
		})
	}
}

// knownDraw was worked out by a separate program written from the description in draw.go.
var knownDraw = [10]uint64{6, 5, 3, 10, 4, 9, 2, 8, 7, 1}
