package roomlink

import (
	"strings"
	"testing"
	"time"
)

var (
	now    = time.Unix(1_800_000_000, 0)
	secret = []byte("0123456789abcdef0123456789abcdef")
	other  = []byte("fedcba9876543210fedcba9876543210")
)

func TestAPreviewIsReadAsItWasSignedAndEnds(t *testing.T) {
	k := NewKeys(secret)
	want := Preview{State: "sold_out", Language: "de", Scheme: "dark"}
	text := k.SignPreview("spring", want, now.Add(time.Hour))
	if got, ok := k.ReadPreview("spring", text, now); !ok || got != want {
		t.Fatalf("%+v %v", got, ok)
	}
	if _, ok := NewKeys(other, secret).ReadPreview("spring", text, now); !ok {
		t.Fatal("a former key is not believed")
	}
	for name, refused := range map[string]bool{
		"another sale": read(k, "autumn", text, now), "too late": read(k, "spring", text, now.Add(time.Hour)), "another key": read(NewKeys(other), "spring", text, now),
		"another state": read(k, "spring", strings.Replace(text, "sold_out", "called", 1), now), "no MAC": read(k, "spring", text[:len(text)-22], now),
		"nothing": read(k, "spring", "", now), "much": read(k, "spring", strings.Repeat(".", 4096), now),
	} {
		if refused {
			t.Errorf("%s is believed", name)
		}
	}
}

func read(k *Keys, sale, text string, at time.Time) bool {
	_, ok := k.ReadPreview(sale, text, at)
	return ok
}

func TestASealedTicketIsOpenedHereAloneAndEnds(t *testing.T) {
	k := NewKeys(secret)
	text := k.SealTicket("spring", "the-ticket", now.Add(MoveTTL))
	if got, ok := k.OpenTicket("spring", text, now); !ok || got != "the-ticket" {
		t.Fatalf("%q %v", got, ok)
	}
	if again := k.SealTicket("spring", "the-ticket", now.Add(MoveTTL)); again == text || strings.Contains(text, "ticket") {
		t.Fatalf("%s %s", text, again)
	}
	if got, ok := NewKeys(other, secret).OpenTicket("spring", text, now); !ok || got != "the-ticket" {
		t.Fatal("a former key is not believed")
	}
	changed := "A" + text[1:]
	if changed == text {
		changed = "B" + text[1:]
	}
	for name, attempt := range map[string]struct {
		keys       *Keys
		sale, text string
		at         time.Time
	}{
		"another sale": {k, "autumn", text, now}, "too late": {k, "spring", text, now.Add(MoveTTL)}, "another key": {NewKeys(other), "spring", text, now},
		"changed": {k, "spring", changed, now}, "cut": {k, "spring", text[:8], now}, "nothing": {k, "spring", "", now}, "no base64": {k, "spring", "%%%", now},
	} {
		if got, ok := attempt.keys.OpenTicket(attempt.sale, attempt.text, attempt.at); ok {
			t.Errorf("%s is opened: %q", name, got)
		}
	}
}

func FuzzLinksOfStrangersAreRefused(f *testing.F) {
	k := NewKeys(secret)
	f.Add("a.b.c.1.d")
	f.Add(NewKeys(other).SignPreview("spring", Preview{State: "early"}, now.Add(time.Hour)))
	f.Add(NewKeys(other).SealTicket("spring", "t", now.Add(time.Hour)))
	f.Fuzz(func(t *testing.T, text string) {
		if _, ok := k.ReadPreview("spring", text, now); ok {
			t.Fatal("a preview that nobody signed")
		}
		if _, ok := k.OpenTicket("spring", text, now); ok {
			t.Fatal("a ticket that nobody sealed")
		}
	})
}
