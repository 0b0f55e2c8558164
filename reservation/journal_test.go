package reservation

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestJournalRecordsAreReadAsWritten(t *testing.T) {
	maker := newCoreMaker([]byte("secret"))
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`)
		lines := make([]Line, rapid.IntRange(1, MaxLines).Draw(t, "lines"))
		for i := range lines {
			lines[i] = Line{word.Draw(t, "sku"), rapid.Int64Range(1, MaxQuantity).Draw(t, "units")}
		}
		number := rapid.Int64Range(0, 1<<50)
		want := record{
			status: letterHeld, epoch: number.Draw(t, "epoch"), created: number.Draw(t, "created"),
			expires: number.Draw(t, "expires"), extensions: number.Draw(t, "extensions"), durability: 'j',
			customer: CustomerKey("x"), channel: rapid.SampledFrom([]string{"*", "web"}).Draw(t, "channel"),
			payload: hashText("p"), lines: packLines(lines), bearer: rapid.SampledFrom([]string{nothing, "7", "134217727"}).Draw(t, "bearer"),
		}
		if want.bearer != nothing {
			want.until = number.Draw(t, "until")
		}
		core := maker.core("s", "", word.Draw(t, "key"))
		data, err := encodeJournal(kindExtended, core, &want)
		if err != nil {
			t.Fatal(err)
		}
		kind, gotCore, got, err := decodeJournal(data)
		if err != nil || kind != kindExtended || gotCore != core || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
		if _, _, _, err := decodeJournal(data[:rapid.IntRange(0, len(data)-1).Draw(t, "cut")]); err == nil {
			t.Fatal("a cut record was read")
		}
		again, err := parseRecord(want.text())
		if err != nil || again != want {
			t.Fatalf("text: %+v, %v; want %+v", again, err, want)
		}
	})
}

// A process of the version before has journaled reservations without their bearers.
func TestJournalRecordsOfTheVersionBeforeAreRead(t *testing.T) {
	r := record{status: letterHeld, epoch: 1, created: 2, expires: 3, durability: 'j', customer: CustomerKey("x"),
		channel: "web", payload: hashText("p"), lines: "SHOE=2", bearer: "7", until: 9}
	data, err := encodeJournal(kindHeld, "AAAAAAAAAAAAAAAAAAAAAA", &r)
	if err != nil {
		t.Fatal(err)
	}
	old := data[:len(data)-len("\x017\x09")]
	old[1] = withoutBearer
	r.bearer, r.until = nothing, 0
	if _, _, got, err := decodeJournal(old); err != nil || got != r {
		t.Fatalf("got %+v, %v; want %+v", got, err, r)
	}
}

func FuzzDecodeJournal(f *testing.F) {
	r := record{status: letterHeld, epoch: 1, created: 2, expires: 3, durability: 'd', customer: CustomerKey("x"),
		channel: "web", payload: hashText("p"), lines: "SHOE=2,HAT=1", bearer: "7", until: 9}
	data, err := encodeJournal(kindHeld, "AAAAAAAAAAAAAAAAAAAAAA", &r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, core, r, err := decodeJournal(data)
		if err != nil {
			return
		}
		again, err := encodeJournal(kind, core, &r)
		if err != nil {
			t.Fatalf("%+v was read and cannot be written: %v", r, err)
		}
		if _, _, r2, err := decodeJournal(again); err != nil || r2 != r {
			t.Fatalf("%+v became %+v, %v", r, r2, err)
		}
	})
}

func FuzzParseID(f *testing.F) {
	f.Add("rsv_spring-drop_1_AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("rsv_a_zz_-_-_-_-_-_-_-_-_-_-_-A")
	f.Fuzz(func(t *testing.T, id string) {
		saleID, epoch, core, err := ParseID(id)
		if err != nil {
			return
		}
		if again := makeID(saleID, epoch, core); again != id {
			t.Fatalf("%q has a second spelling %q", id, again)
		}
		if back, err := ReservationIDOf(OrderID(id)); err != nil || back != id {
			t.Fatalf("order of %q leads to %q, %v", id, back, err)
		}
	})
}
