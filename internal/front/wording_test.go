package front

import (
	"bytes"
	"compress/gzip"
	"html"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// soonSale has a page that needs no place.
func (s *stack) soonSale(change func(*sale.Sale)) {
	s.t.Helper()
	s.open(liveSale("soon", func(o *sale.Sale) {
		o.OpensAt = time.Now().Add(time.Hour)
		o.StartsAt, o.EndsAt = o.OpensAt.Add(time.Hour), o.OpensAt.Add(2*time.Hour)
		if change != nil {
			change(o)
		}
	}))
}

func TestThePageSpeaksTheVisitorsLanguage(t *testing.T) {
	s := newStack(t)
	s.soonSale(nil)
	page := func(path string, more header) answer {
		more["Accept"] = "text/html"
		return s.expect(200, "", "GET", path, more, "")
	}
	for name, test := range map[string]struct {
		path    string
		headers header
		want    []string
	}{
		"nothing said":           {"/sales/soon", header{}, []string{`<html lang="en" dir="ltr">`, "Not open yet"}},
		"German wanted":          {"/sales/soon", header{"Accept-Language": "de-CH,de;q=0.9,en;q=0.5"}, []string{`<html lang="de" dir="ltr">`, "Noch nicht geöffnet", "Sprache: Deutsch"}},
		"Arabic wanted":          {"/sales/soon", header{"Accept-Language": "ar"}, []string{`<html lang="ar" dir="rtl">`, "لم تُفتح بعد"}},
		"the address outranks":   {"/sales/soon?penstock_lang=ja", header{"Accept-Language": "de", "Cookie": "penstock_lang=fr"}, []string{`<html lang="ja"`}},
		"the cookie outranks":    {"/sales/soon", header{"Accept-Language": "de", "Cookie": "a=b; penstock_lang=fr"}, []string{`<html lang="fr"`}},
		"nobody speaks it":       {"/sales/soon?penstock_lang=%22%3E", header{"Accept-Language": "sv", "Cookie": "penstock_lang=../de"}, []string{`<html lang="en"`}},
		"links keep the query":   {"/sales/soon?variant=42&penstock_lang=de&b=1", header{}, []string{`href="?variant=42&amp;b=1&amp;penstock_lang=nl"`}},
		"the chosen one is said": {"/sales/soon?penstock_lang=tr", header{}, []string{`lang="tr" hreflang="tr" aria-current="true"`}},
	} {
		got := string(page(test.path, test.headers).body)
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in %s", name, want, got)
			}
		}
	}
	chosen := page("/sales/soon?penstock_lang=pl", header{})
	if cookies := chosen.Cookies(); len(cookies) != 1 || cookies[0].Name != "penstock_lang" || cookies[0].Value != "pl" || !cookies[0].HttpOnly {
		t.Fatalf("the choice is not remembered: %v", chosen.Header)
	}
	if again := page("/sales/soon?penstock_lang=pl", header{"Cookie": "penstock_lang=pl"}); len(again.Cookies()) != 0 {
		t.Fatalf("remembered again: %v", again.Header)
	}
	lost := s.expect(404, "", "GET", "/nothing", header{"Accept": "text/html", "Accept-Language": "it"}, "")
	if !strings.Contains(string(lost.body), `<html lang="it"`) || !strings.Contains(string(lost.body), "non c’è nulla") {
		t.Fatalf("%s", lost.body)
	}
}

func TestASaleChoosesItsLanguagesWordsColoursAndLogo(t *testing.T) {
	s := newStack(t)
	s.soonSale(func(o *sale.Sale) {
		o.Page = sale.Page{
			LogoURL: "https://cdn.example/logo.svg", Languages: []string{"de", "en"},
			Colours: sale.PageColours{Light: sale.Palette{Accent: "#7a1f3d"}, Dark: sale.Palette{Accent: "#f0a5bd", OnAccent: "#2a0a15"}},
			Texts:   map[string]map[string]sale.PageText{"de": {"scheduled": {Headline: "Gleich geht's los & \"mehr\""}}},
			Links:   sale.PageLinks{Terms: "https://shop.example/terms"},
		}
	})
	got := s.expect(200, "", "GET", "/sales/soon", header{"Accept": "text/html", "Accept-Language": "fr"}, "")
	for _, want := range []string{
		`<html lang="de"`, "Gleich geht&#39;s los &amp; &#34;mehr&#34;", "Der Warteraum öffnet", `<img class="logo" src="https://cdn.example/logo.svg" alt="">`,
		`<link rel="stylesheet" href="/sales/static/theme-soon.css?v=`, `<a href="https://shop.example/terms" rel="noreferrer">AGB</a>`,
	} {
		if !strings.Contains(string(got.body), want) {
			t.Errorf("no %q in %s", want, got.body)
		}
	}
	if strings.Contains(string(got.body), "penstock_lang=fr") {
		t.Error("a language is offered that the sale does not have")
	}
	if policy := got.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "img-src 'self' data: https://cdn.example;") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %s", policy)
	}
	theme := s.expect(200, "", "GET", "/sales/static/theme-soon.css", nil, "")
	want := ":root{--accent:#7a1f3d;}\n@media (prefers-color-scheme:dark){:root:not([data-scheme=light]){--accent:#f0a5bd;--on-accent:#2a0a15;}}\n:root[data-scheme=dark]{--accent:#f0a5bd;--on-accent:#2a0a15;}\n"
	if string(theme.body) != want || theme.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("theme %q", theme.body)
	}
	s.open(liveSale("plain", nil))
	s.expect(404, "not_found", "GET", "/sales/static/theme-plain.css", nil, "")
	s.expect(404, "not_found", "GET", "/sales/static/theme-none.css", nil, "")
}

// wire asks as a browser does, and returns what came over the wire.
func (s *stack) wire(path, encoding string, more header) answer {
	s.t.Helper()
	request, err := http.NewRequest("GET", s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	request.Header.Set("Accept-Encoding", encoding)
	for name, value := range more {
		request.Header.Set(name, value)
	}
	response, err := (&http.Transport{DisableCompression: true}).RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	return answer{Response: response, body: readAll(s.t, response)}
}

// maxPageBytes is what fits in the first round trip of a new connection (ten packets).
const maxPageBytes = 14 << 10

var neededFile = regexp.MustCompile(`"(/sales/static/[^"]+)"`)

// pageBytes is how much comes over the wire of the page and of every file that it names, which must be these.
func (s *stack) pageBytes(page, encoding string, h header, files ...string) (total int) {
	s.t.Helper()
	got := s.wire(page, encoding, h)
	plain := s.wire(page, "", h)
	if got.StatusCode != 200 || got.Header.Get("Content-Encoding") != encoding {
		s.t.Fatalf("%s: %d, %v", page, got.StatusCode, got.Header)
	}
	total = len(got.body)
	var named []string
	for _, match := range neededFile.FindAllStringSubmatch(string(plain.body), -1) {
		path := html.UnescapeString(match[1])
		name, _, _ := strings.Cut(strings.TrimPrefix(path, "/sales/static/"), "?")
		if named = append(named, name); slices.Index(named, name) < len(named)-1 {
			continue
		}
		file := s.wire(path, encoding, h)
		if file.StatusCode != 200 {
			s.t.Fatalf("%s: %d", path, file.StatusCode)
		}
		total += len(file.body)
	}
	slices.Sort(named)
	slices.Sort(files)
	if named = slices.Compact(named); !slices.Equal(named, files) {
		s.t.Fatalf("the page needs %v, want %v", named, files)
	}
	return total
}

// wantSmall compares the page in each language with what fits in the first round trip.
func (s *stack) wantSmall(page string, h header, files ...string) {
	s.t.Helper()
	for _, encoding := range []string{"br", "gzip"} {
		most, of := 0, ""
		for _, language := range sale.PageLanguages {
			with := maps.Clone(h)
			with["Accept-Language"] = language
			total := s.pageBytes(page, encoding, with, files...)
			if total > maxPageBytes {
				s.t.Errorf("%s, %s: %d bytes, want %d at most", language, encoding, total, maxPageBytes)
			}
			if total > most {
				most, of = total, language
			}
		}
		s.t.Logf("the largest language with %s is %s: %d bytes", encoding, of, most)
	}
}

// fullPage is a sale whose page has a theme, links and numbers of units.
func fullPage(o *sale.Sale) {
	o.Page.ShowStock = sale.StockNumbers
	o.Page.Colours = sale.DefaultColours()
	o.Page.Links = sale.PageLinks{Terms: "https://shop.example/terms", Privacy: "https://shop.example/privacy", Support: "https://shop.example/help"}
}

func TestThePageWithAllThatItNeedsIsSmall(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("demo", func(o *sale.Sale) {
		fullPage(o)
		o.Admission.MaxActive = 1
	}))
	s.admitted("demo") // takes the one slot
	ticket := s.expect(201, "", "POST", "/v1/sales/demo/tickets", nil, "").text(t, "ticket")
	s.wantSmall("/sales/demo", header{"Cookie": "penstock_ticket_demo=" + ticket}, "theme-demo.css", "penstock.css", "room.js")
}

// The solver is its own worker: the browser has the file already when it starts it.
func TestThePageThatAsksForAProofOfWorkIsSmallWithItsSolver(t *testing.T) {
	s := newStack(t, withProofs)
	s.open(liveSale("demo", func(o *sale.Sale) {
		fullPage(o)
		o.Bots.Proof = sale.ProofAlways
	}))
	newcomer := header{"X-Forwarded-For": "198.51.100.1", "Cookie": cookieCheck + "=1"}
	if page := s.wire("/sales/demo", "", newcomer); !strings.Contains(string(page.body), "data-challenge=") {
		t.Fatalf("no challenge: %d %s", page.StatusCode, page.body)
	}
	s.wantSmall("/sales/demo", newcomer, "theme-demo.css", "penstock.css", "room.js", "proof-page.mjs", "proof.mjs")
}

func TestWhatIsLargeIsCompressedForWhoReadsIt(t *testing.T) {
	s := newStack(t)
	s.soonSale(nil)
	for _, path := range []string{"/sales/soon", "/sales/static/penstock.css", "/sales/static/client.js", "/openapi.yaml"} {
		for accepted, want := range map[string]string{"gzip, deflate, br, zstd": "br", "gzip": "gzip", "br;q=0, gzip;q=0.5": "gzip", "": "", "identity": "", "gzip;q=0": ""} {
			response := s.wire(path, accepted, nil)
			if got := response.Header.Get("Content-Encoding"); got != want || !strings.Contains(strings.Join(response.Header.Values("Vary"), ","), "Accept-Encoding") {
				t.Errorf("%s for %q: %q, Vary %v", path, accepted, got, response.Header.Values("Vary"))
			}
		}
	}
	for _, path := range []string{"/v1/sales/soon", "/.well-known/jwks.json"} { // too small to gain anything
		if response := s.wire(path, "br, gzip", nil); response.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %v", path, response.Header)
		}
	}
}

func TestALargePublicDocumentIsCompressedAndNeverAnOldOne(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("large", func(o *sale.Sale) {
		for i := range 40 {
			o.Items = append(o.Items, sale.Item{SKU: "MORE-" + strconv.Itoa(i), Name: "One more item", Stock: 5})
		}
	}))
	read := func() string {
		got := s.wire("/v1/sales/large", "gzip", nil)
		if got.Header.Get("Content-Encoding") != "gzip" || len(got.body) > 1000 {
			t.Fatalf("%d bytes, %v", len(got.body), got.Header)
		}
		unpacked, err := gzip.NewReader(bytes.NewReader(got.body))
		if err != nil {
			t.Fatal(err)
		}
		return string(readAll(t, &http.Response{Body: io.NopCloser(unpacked)}))
	}
	testenv.Eventually(t, waitFor, "the document is the one of memory", func() bool { return read() == string(entry.Document()) })
	before := string(entry.Document())
	s.admitted("large")
	testenv.Eventually(t, waitFor, "the document has changed", func() bool { return read() == string(entry.Document()) && read() != before })
}
