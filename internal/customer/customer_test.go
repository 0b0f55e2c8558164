package customer

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/sale"
)

var (
	keep  = sale.Terms{}
	drop  = sale.Terms{Customer: sale.Normalized, PlusTags: sale.DropTags}
	exact = sale.Terms{Customer: sale.Exact}
)

func TestManySpellingsOfOneAddressAreOneCustomer(t *testing.T) {
	for _, spelling := range []string{
		"ada@example.com", "ADA@EXAMPLE.COM", "Ada@Example.Com", " ada@example.com", "ada@example.com  ",
		"\u00a0ada@example.com", "ada\u200b@example.com", "ada@example\u00ad.com", "\ufeffada@example.com",
		"ada\u2060@example.com", "ad\u200da@example.com", "ａｄａ@example.com", "ada＠example.com", "ada@example․com",
		"ada@exam\u180eple.com", "ada@example.com\U000e0001", "a\ufe0fda@example.com", "ada@example.com\u2028",
	} {
		if got, err := Name(spelling, keep); err != nil || got != "ada@example.com" {
			t.Errorf("%+q became %+q, %v", spelling, got, err)
		}
	}
}

func TestTheRuleIsAsItIsWritten(t *testing.T) {
	for _, row := range []struct {
		raw   string
		terms sale.Terms
		want  string
	}{
		{"customer 17", keep, "customer 17"},
		{"  Two \u3000 Words ", keep, "two words"},
		{"Straße", keep, "strasse"},
		{"ΜΆΪΟΣ", keep, "μάϊοσ"},
		{"e\u0301", keep, "é"},
		{"ﬁne", keep, "fine"},
		{"ꭰᏸ", keep, "ᎠᏰ"},
		{"ᎠᏰ", keep, "ᎠᏰ"},
		{"ada+shoes@example.com", keep, "ada+shoes@example.com"},
		{"Ada+Shoes@example.com", drop, "ada@example.com"},
		{"ada+a+b@example.com", drop, "ada@example.com"},
		{"ada＋a＠example.com", drop, "ada@example.com"},
		{"ada +a@example.com", drop, "ada@example.com"},
		{"+a@example.com", drop, "+a@example.com"},
		{"a+b@c@d", drop, "a+b@c@d"},
		{"a+b", drop, "a+b"},
		{"a@b+c", drop, "a@b+c"},
		{" Ada\u200b\x01", exact, " Ada\u200b\x01"},
	} {
		if got, err := Name(row.raw, row.terms); err != nil || got != row.want {
			t.Errorf("%+q became %+q, %v; want %+q", row.raw, got, err, row.want)
		}
	}
}

func TestWhatIsNoNameIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		raw   string
		terms sale.Terms
		want  error
	}{
		"none":                   {"", keep, ErrLength},
		"too long":               {strings.Repeat("a", MaxBytes+1), keep, ErrLength},
		"too long a key":         {strings.Repeat("a", MaxBytes+1), exact, ErrLength},
		"not UTF-8":              {"a\xff", keep, ErrText},
		"a key that is no UTF-8": {"a\xff", exact, ErrText},
		"a line break":           {"a\nb", keep, ErrText},
		"C1":                     {"a\u0085b", keep, ErrText},
		"nothing to be seen":     {"\u200b\u00ad \u3000", keep, ErrInvisible},
		"longer in its one form": {strings.Repeat("ﷺ", MaxBytes/3), keep, ErrGrows},
	} {
		if got, err := Name(row.raw, row.terms); !errors.Is(err, row.want) {
			t.Errorf("%s: %+q, %v", name, got, err)
		}
	}
}

func TestTheLongestNameIsTaken(t *testing.T) {
	longest := strings.Repeat("a", MaxBytes)
	for _, terms := range []sale.Terms{keep, drop, exact} {
		if got, err := Name(longest, terms); err != nil || got != longest {
			t.Errorf("%+v: %v", terms, err)
		}
	}
}

// check holds what every name that is taken must fulfil.
func check(t interface{ Fatalf(string, ...any) }, raw string, terms sale.Terms) {
	form, err := Name(raw, terms)
	if errors.Is(err, errUnstable) {
		t.Fatalf("%+q does not come to rest", raw)
	}
	if err != nil {
		return
	}
	if form == "" || len(form) > MaxBytes || !utf8.ValidString(form) {
		t.Fatalf("%+q became %+q", raw, form)
	}
	if again, err := Name(form, terms); err != nil || again != form {
		t.Fatalf("%+q became %+q, and that %+q, %v", raw, form, again, err)
	}
	if terms.Customer != sale.Exact && plain(raw, terms.PlusTags) {
		if slow, err := normalize(raw, terms.PlusTags); err != nil || slow != raw {
			t.Fatalf("%+q is taken as it is, and its form is %+q, %v", raw, slow, err)
		}
	}
}

func TestTheOneFormOfANameIsItsOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SampledFrom([]string{
			"a", "A", "ß", "ẞ", "ǅ", "İ", "ı", "ŉ", "ﬃ", "ﷺ", "Å", "e\u0301", "\u0345", "ᾳ", "Σ", "ς", "ꭰ", "Ꭰ", "가", "\u1112\u1161",
			"\u200b", "\u00ad", "\ufe0f", "\u3164", "\u034f", " ", "\u00a0", "\u2003", "+", "＋", "@", "＠", ".", "\U0001d400", "\u0300", "\u0323",
		})
		raw := strings.Join(rapid.SliceOfN(pieces, 1, 24).Draw(t, "pieces"), "")
		if rapid.Bool().Draw(t, "any text") {
			raw = rapid.String().Draw(t, "raw")
		}
		check(t, raw, rapid.SampledFrom([]sale.Terms{keep, drop, exact}).Draw(t, "terms"))
	})
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"ada@example.com", "Ada+x@Example.com", "Straße", "a\u200bb", "\u1e9b\u0323", "\xff"} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(1))
	}
	f.Fuzz(func(t *testing.T, raw string, terms uint8) {
		check(t, raw, []sale.Terms{keep, drop, exact}[int(terms)%3])
	})
}

func BenchmarkAPlainName(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Name("customer-17@example.com", keep); err != nil {
			b.Fatal(err)
		}
	}
}
