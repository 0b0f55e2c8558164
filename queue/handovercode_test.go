package queue

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
)

var testCode = HandoverCode{Sale: "drop", Ticket: 7, Epoch: 1, MadeMicros: 1_700_000_000_000_000}

func TestAHandOverCodeComesBackAsItWas(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	rapid.Check(t, func(t *rapid.T) {
		want := HandoverCode{
			Sale:       rapid.StringMatching(`[a-z0-9-]{1,64}`).Draw(t, "sale"),
			Ticket:     Number(rapid.Uint64Range(1, maxNumber).Draw(t, "ticket")),
			Epoch:      rapid.Uint32().Draw(t, "epoch"),
			MadeMicros: rapid.Int64Range(0, math.MaxInt64).Draw(t, "made"),
		}
		if got, err := keys.ParseCode(keys.SignCode(want)); err != nil || got != want {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
	})
}

func TestAHandOverCodeIsRefusedWhenAnyCharacterIsChanged(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	code := keys.SignCode(testCode)
	for i := range code {
		for _, c := range []byte("A_-9=\n. \x00") {
			if code[i] == c {
				continue
			}
			forged := code[:i] + string(c) + code[i+1:]
			if _, err := keys.ParseCode(forged); !errors.Is(err, problem.UnknownCode) {
				t.Fatalf("changed character %d to %q: got %v", i, c, err)
			}
		}
	}
}

func TestWhatIsNoHandOverCodeIsUnknown(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	code := keys.SignCode(testCode)
	for name, text := range map[string]string{
		"nothing": "", "padding": code + "=", "a line break": code + "\n", "cut short": code[:len(code)-1],
		"no sale":        keys.SignCode(HandoverCode{Ticket: 7}),
		"number 0":       keys.SignCode(HandoverCode{Sale: "drop"}),
		"a ticket":       keys.Sign(Ticket{Sale: "drop", Number: 7}),
		"another secret": NewTicketKeys([]byte("other"), nil, nil).SignCode(testCode),
		"much too long":  strings.Repeat("A", 1<<20),
	} {
		if got, err := keys.ParseCode(text); !errors.Is(err, problem.UnknownCode) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestAHandOverCodeIsBelievedWhileTheSecretIsRotated(t *testing.T) {
	old, fresh := []byte("old"), []byte("new")
	before := NewTicketKeys(old, nil, [][]byte{fresh})
	after := NewTicketKeys(fresh, [][]byte{old}, nil)
	for _, signer := range []*TicketKeys{before, after} {
		for _, reader := range []*TicketKeys{before, after} {
			if got, err := reader.ParseCode(signer.SignCode(testCode)); err != nil || got != testCode {
				t.Errorf("got %+v, %v", got, err)
			}
		}
	}
}

func FuzzHandOverCodeParse(f *testing.F) {
	keys := NewTicketKeys(testSecret, nil, nil)
	f.Add(keys.SignCode(testCode))
	f.Add("")
	f.Add(strings.Repeat("A", maxCodeEncoded))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := keys.ParseCode(text)
		if err == nil && keys.SignCode(got) != text {
			t.Fatalf("believed %q, which we never signed: %+v", text, got)
		}
	})
}

func BenchmarkMadeUpHandOverCode(b *testing.B) {
	keys := NewTicketKeys(testSecret, nil, nil)
	forged := NewTicketKeys([]byte("other"), nil, nil).SignCode(testCode)
	wire, _ := ticketEncoding.DecodeString(forged)
	wire[1] = keys.keys[0].id // the dearest: it names a key that there is
	forged = ticketEncoding.EncodeToString(wire)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.ParseCode(forged); err == nil {
			b.Fatal("believed")
		}
	}
}
