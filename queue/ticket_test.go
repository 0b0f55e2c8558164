package queue

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
)

var testSecret = []byte("a secret of thirty-two bytes or more, for tests")

func TestATicketComesBackAsItWas(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	rapid.Check(t, func(t *rapid.T) {
		want := Ticket{
			Sale:         rapid.StringMatching(`[a-z0-9-]{1,64}`).Draw(t, "sale"),
			Number:       Number(rapid.Uint64Range(1, maxNumber).Draw(t, "number")),
			Epoch:        rapid.Uint32().Draw(t, "epoch"),
			IssuedMillis: rapid.Int64Range(0, maxIssued).Draw(t, "issued"),
		}
		length := ticketLength1
		if rapid.Bool().Draw(t, "version 2") {
			want.Flags = TicketFlags(rapid.Uint8().Draw(t, "flags"))
			want.Number = numberIn(Lane(rapid.Uint8Range(0, uint8(MaxLane)).Draw(t, "lane")), uint64(want.Number))
			for i := range want.Interest {
				want.Interest[i] = Mark(rapid.Uint32Range(0, 1<<24-1).Draw(t, "mark"))
			}
			if want.needsVersion2() {
				length = ticketLength2
			}
		}
		token := keys.Sign(want)
		if len(token) != length {
			t.Fatalf("%+v has %d characters, want %d", want, len(token), length)
		}
		got, err := keys.Parse([]byte(token), want.Sale)
		if err != nil || got != want {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
		if again := keys.Sign(want); again != token {
			t.Fatalf("the same ticket has two spellings: %s and %s", token, again)
		}
	})
}

func TestATicketIsRefusedWhenAnyCharacterIsChanged(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	for _, ticket := range []Ticket{
		{Sale: "drop", Number: 7, Epoch: 1, IssuedMillis: 1_700_000_000_000},
		{Sale: "drop", Number: numberIn(3, 7), Epoch: 1, IssuedMillis: 1_700_000_000_000, Flags: FlagKeyed, Interest: Interest{MarkOf("A")}},
	} {
		refusesAnyChange(t, keys, keys.Sign(ticket))
	}
}

func refusesAnyChange(t *testing.T, keys *TicketKeys, token string) {
	for i := range token {
		for _, c := range []byte("A_-9=\n. \x00") {
			if token[i] == c {
				continue
			}
			forged := token[:i] + string(c) + token[i+1:]
			if _, err := keys.Parse([]byte(forged), "drop"); !errors.Is(err, problem.TicketInvalid) {
				t.Fatalf("changed character %d to %q: got %v", i, c, err)
			}
		}
	}
}

func TestATicketIsRefusedElsewhere(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	token := keys.Sign(Ticket{Sale: "drop", Number: 7})
	for name, refused := range map[string]func() (Ticket, error){
		"another sale":        func() (Ticket, error) { return keys.Parse([]byte(token), "drop2") },
		"an empty sale":       func() (Ticket, error) { return keys.Parse([]byte(token), "") },
		"a sale beyond limit": func() (Ticket, error) { return keys.Parse([]byte(token), strings.Repeat("d", 65)) },
		"another secret":      func() (Ticket, error) { return NewTicketKeys([]byte("other"), nil, nil).Parse([]byte(token), "drop") },
		"padding":             func() (Ticket, error) { return keys.Parse([]byte(token+"="), "drop") },
		"cut short":           func() (Ticket, error) { return keys.Parse([]byte(token[:len(token)-1]), "drop") },
		"nothing":             func() (Ticket, error) { return keys.Parse([]byte(""), "drop") },
		"number 0":            func() (Ticket, error) { return keys.Parse([]byte(keys.Sign(Ticket{Sale: "drop"})), "drop") },
	} {
		if got, err := refused(); !errors.Is(err, problem.TicketInvalid) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestATicketOutlivesTheRotationOfItsKey(t *testing.T) {
	before := NewTicketKeys([]byte("old"), nil, nil)
	after := NewTicketKeys([]byte("new"), [][]byte{[]byte("old")}, nil)
	token := before.Sign(Ticket{Sale: "drop", Number: 7})
	if _, err := after.Parse([]byte(token), "drop"); err != nil {
		t.Fatalf("a ticket of the previous key: %v", err)
	}
	fresh := after.Sign(Ticket{Sale: "drop", Number: 7})
	if fresh == token {
		t.Fatal("the current key signs as the previous one did")
	}
	if _, err := before.Parse([]byte(fresh), "drop"); err == nil {
		t.Fatal("a node without the new key believes it")
	}
}

func TestTicketsAreSignedAndParsedConcurrently(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 500 {
				want := Ticket{Sale: "drop", Number: Number(g*1000 + i + 1)}
				if got, err := keys.Parse([]byte(keys.Sign(want)), "drop"); err != nil || got != want {
					t.Errorf("got %+v, %v; want %+v", got, err, want)
					return
				}
			}
		})
	}
	all.Wait()
}

// Version 2 says nothing that version 1 could say: the same ticket would have two spellings.
func TestAVersionThatSaysNothingMoreIsNoTicket(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	token := keys.Sign(Ticket{Sale: "drop", Number: numberIn(1, 7)})
	if _, err := keys.Parse([]byte(token), "drop"); err != nil {
		t.Fatal(err)
	}
	key := keys.keys[0]
	for name, change := range map[string]func(body []byte){
		"no lane":           func(b []byte) { b[21] = 0 },
		"the reserved byte": func(b []byte) { b[ticketBody2-1] = 1 },
		"another version":   func(b []byte) { b[0] = 3 },
	} {
		st := key.pool.Get().(*macState)
		if _, err := ticketEncoding.Decode(st.wire[:], []byte(token)); err != nil {
			t.Fatal(err)
		}
		change(st.wire[:])
		copy(st.wire[ticketBody2:], st.sign(ticketLabel, "drop", ticketBody2)[:ticketMAC])
		signed := ticketEncoding.EncodeToString(st.wire[:ticketBytes2])
		if got, err := keys.Parse([]byte(signed), "drop"); !errors.Is(err, problem.TicketInvalid) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestALongerTicketCostsNoAllocationMore(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	// The race detector lets a pool forget every fourth time, so each call is measured alone and the fewest count.
	allocations := func(ticket Ticket) float64 {
		token, fewest := keys.Sign(ticket), math.Inf(1)
		for range 200 {
			fewest = min(fewest, testing.AllocsPerRun(1, func() {
				if _, err := keys.Parse([]byte(token), "drop"); err != nil {
					t.Fatal(err)
				}
			}))
		}
		return fewest
	}
	short := allocations(Ticket{Sale: "drop", Number: 7})
	if long := allocations(Ticket{Sale: "drop", Number: 7, Interest: Interest{MarkOf("A")}}); long > short {
		t.Errorf("version 2 makes %v allocations, version 1 %v", long, short)
	}
}

func FuzzTicketParse(f *testing.F) {
	keys := NewTicketKeys(testSecret, nil, nil)
	f.Add(keys.Sign(Ticket{Sale: "drop", Number: 1}), "drop")
	f.Add(keys.Sign(Ticket{Sale: "drop", Number: numberIn(2, 1), Flags: FlagKeyed, Interest: Interest{MarkOf("A"), MarkOf("B")}}), "drop")
	f.Add("", "drop")
	f.Add(strings.Repeat("A", ticketLength1), "drop")
	f.Add(strings.Repeat("A", ticketLength2), "drop")
	f.Fuzz(func(t *testing.T, token, sale string) {
		got, err := keys.Parse([]byte(token), sale)
		if err != nil {
			return
		}
		if again := keys.Sign(got); again != token {
			t.Fatalf("believed %q, which we never signed: %+v is %q", token, got, again)
		}
	})
}

func BenchmarkTicketParse(b *testing.B) {
	keys := NewTicketKeys(testSecret, nil, nil)
	token := keys.Sign(Ticket{Sale: "spring-drop", Number: 12345, Epoch: 1, IssuedMillis: 1_700_000_000_000})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Parse([]byte(token), "spring-drop"); err != nil {
			b.Fatal(err)
		}
	}
}
