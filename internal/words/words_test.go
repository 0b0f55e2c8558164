package words

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/penstock/penstock/internal/sale"
)

func open(t *testing.T) *Book {
	t.Helper()
	book, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	return book
}

var placeholder = regexp.MustCompile(`\{[a-z0-9]+\}`)

func placeholders(text string) []string {
	found := placeholder.FindAllString(text, -1)
	slices.Sort(found)
	return found
}

func TestEveryLanguageSaysEverything(t *testing.T) {
	book := open(t)
	english := book.languages["en"]
	for _, l := range book.all {
		if !slices.Equal(slices.Sorted(maps.Keys(l.Texts)), slices.Sorted(maps.Keys(english.Texts))) {
			t.Errorf("%s has other texts than en", l.Tag)
		}
		for key, text := range l.Texts {
			if strings.TrimSpace(text) != text || text == "" || strings.ContainsAny(text, "<>") || !utf8.ValidString(text) {
				t.Errorf("%s: %s: %q", l.Tag, key, text)
			}
			if got, want := placeholders(text), placeholders(english.Texts[key]); !slices.Equal(got, want) {
				t.Errorf("%s: %s has %v, want %v", l.Tag, key, got, want)
			}
		}
		if !slices.Equal(placeholders(l.Moments), placeholders(english.Moments)) || len(l.Months) != 12 || l.Name == "" || l.Direction != "ltr" && l.Direction != "rtl" {
			t.Errorf("%s: name, direction, moment and months are %q, %q, %q, %q", l.Tag, l.Name, l.Direction, l.Moments, l.Months)
		}
		for key := range english.Forms {
			for _, n := range []uint64{0, 1, 2, 3, 5, 11, 21, 22, 99, 100, 101, 1_000_000, 2_000_001} {
				if form := l.formOf(n); l.Forms[key][form] == "" {
					t.Errorf("%s: %s has no form %s", l.Tag, key, form)
				}
			}
		}
	}
}

func TestEveryFileIsALanguageOfThePage(t *testing.T) {
	entries, err := os.ReadDir("languages")
	if err != nil {
		t.Fatal(err)
	}
	var tags []string
	for _, entry := range entries {
		tags = append(tags, strings.TrimSuffix(entry.Name(), ".json"))
	}
	if want := slices.Sorted(slices.Values(sale.PageLanguages)); !slices.Equal(tags, want) {
		t.Fatalf("files %v, languages %v", tags, want)
	}
}

func TestTheLanguageIsTheOneThatTheVisitorReads(t *testing.T) {
	book := open(t)
	for _, test := range []struct {
		offered []string
		accept  string
		wishes  []string
		want    string
	}{
		{accept: "", want: "en"},
		{accept: "de-AT,de;q=0.9,en;q=0.8", want: "de"},
		{accept: "sv,nl;q=0.5", want: "nl"},
		{accept: "zh-Hans-CN", want: "zh"},
		{accept: "pt-BR", want: "pt"},
		{accept: "ar-EG,en;q=0.2", want: "ar"},
		{accept: "xx", want: "en"},
		{accept: ";;;q=,", want: "en"},
		{accept: strings.Repeat("de,", 200), want: "en"},
		{accept: "de", wishes: []string{"fr"}, want: "fr"},
		{accept: "de", wishes: []string{"", "it"}, want: "it"},
		{accept: "de", wishes: []string{"../en"}, want: "de"},
		{offered: []string{"fr", "en"}, accept: "de", want: "fr"},
		{offered: []string{"fr", "en"}, accept: "fr", wishes: []string{"de"}, want: "fr"},
		{offered: []string{"ja", "en"}, accept: "en-GB", want: "en"},
	} {
		if got := Choose(book.Offered(test.offered), test.accept, test.wishes...); got.Tag != test.want {
			t.Errorf("%+v: %s", test, got.Tag)
		}
	}
}

func TestNumbersAndTimesAreThoseOfTheLanguage(t *testing.T) {
	book := open(t)
	at := time.Date(2026, 12, 1, 9, 5, 0, 0, time.FixedZone("", 3600))
	for tag, want := range map[string][7]string{
		"en": {"1,234,567", "person ahead of you", "people ahead of you", "1 December 2026, 08:05:00 UTC", "3 min to 1 h 05 min", "1 left", "1,200 left"},
		"de": {"1.234.567", "Person vor Ihnen", "Personen vor Ihnen", "1. Dezember 2026, 08:05:00 UTC", "3 Min. bis 1 Std. 05 Min.", "noch 1", "noch 1.200"},
		"pl": {"1\u00a0234\u00a0567", "osoba przed Tobą", "osób przed Tobą", "1 grudnia 2026, 08:05:00 UTC", "od 3 min do 1 godz. 05 min", "została 1 szt.", "zostało 1\u00a0200 szt."},
		"ja": {"1,234,567", "人が前に並んでいます", "人が前に並んでいます", "2026年12月1日 08:05:00 UTC", "3分～1時間05分", "残り1点", "残り1,200点"},
		"ar": {"1,234,567", "شخص أمامك", "أشخاص أمامك", "1 ديسمبر 2026، 08:05:00 UTC", "من 3 د إلى 1 س 05 د", "بقيت قطعة واحدة", "بقيت 1,200 قطعة"},
	} {
		l := book.languages[tag]
		got := [7]string{l.Number(1_234_567), l.Form("ahead", 1), l.Form("ahead", 5), l.Moment(at), l.Wait(180, 3900), l.UnitsLeft(1), l.UnitsLeft(1200)}
		if got != want {
			t.Errorf("%s: got  %q\nwant %q", tag, got, want)
		}
	}
}

func TestTheWaitIsWordedAsARange(t *testing.T) {
	english := open(t).languages["en"]
	for want, seconds := range map[string][2]int64{
		"under a minute":             {10, 59},
		"about 1 min":                {20, 80},
		"3 min to 1 h 05 min":        {180, 3900},
		"not known yet":              {},
		"23 h 59 min to 24 h 00 min": {86340, 86400},
	} {
		if got := english.Wait(seconds[0], seconds[1]); got != want {
			t.Errorf("%v: %q, want %q", seconds, got, want)
		}
	}
}
