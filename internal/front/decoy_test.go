package front

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/proof"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// countNewcomers has what becomes of newcomers counted, and returns how to read it.
func countNewcomers(d *Deps) func() map[bots.Outcome]int64 {
	var mu sync.Mutex
	counts := map[bots.Outcome]int64{}
	tally := bots.NewTally(func(_ context.Context, more []bots.Count) error {
		mu.Lock()
		defer mu.Unlock()
		for _, one := range more {
			counts[one.Outcome] += one.N
		}
		return nil
	}, d.Log)
	d.Newcomers = tally
	return func() map[bots.Outcome]int64 {
		done, cancel := context.WithCancel(context.Background())
		cancel()
		_ = tally.Run(done) // writes what was counted
		mu.Lock()
		defer mu.Unlock()
		return counts
	}
}

// hosted is in a data centre of these tests, and so are those around it.
var hosted = forwardedFor("198.51.100.1")

func withDatacentre(t *testing.T) stackOption {
	t.Helper()
	path := filepath.Join(t.TempDir(), "datacentres.txt")
	if err := os.WriteFile(path, []byte("198.51.100.0/24\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(d *Deps) {
		var err error
		if d.Datacentres, err = bots.OpenNetworkFile(path, d.Log); err != nil {
			t.Fatal(err)
		}
	}
}

// withDecoys is a sale in which hardly anybody is called, and that takes nobody from data centres.
func withDecoys(of sale.Decoy) func(*sale.Sale) {
	return func(s *sale.Sale) {
		crowded(s)
		s.Bots.Datacentres, s.Bots.Decoy = sale.DatacentresRefuse, of
	}
}

// line has that many people join, so that somebody waits.
func (s *stack) line(room *queue.Room, people int) (last answer) {
	s.t.Helper()
	for range people {
		last = s.expect(201, "", "POST", springTickets, forwardedFor("203.0.113.9"), "")
	}
	if err := room.Refresh(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	return last
}

// decoyed is the decoy in an answer.
func (s *stack) decoyed(a answer) (text string, decoy queue.Decoy) {
	s.t.Helper()
	text = a.text(s.t, "ticket")
	decoy, err := s.tickets.ParseDecoy([]byte(text), "spring")
	if err != nil {
		s.t.Fatalf("no decoy: %v: %s", err, a.body)
	}
	return text, decoy
}

// shape is what of an answer is the same for all who wait: the status, the names of the header fields, the names in the
// document and what is not a figure of it.
func (s *stack) shape(a answer) string {
	s.t.Helper()
	var b strings.Builder
	names := slices.Sorted(maps.Keys(a.Header))
	fmt.Fprintln(&b, a.StatusCode, names, a.Header.Get("Ratelimit-Policy"))
	if len(a.body) == 0 {
		return b.String()
	}
	doc := a.json(s.t)
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		switch value := doc[name].(type) {
		case string:
			if name == "ticket" {
				value = strconv.Itoa(len(value))
			}
			fmt.Fprintln(&b, name, value)
		default:
			fmt.Fprintf(&b, "%s %T\n", name, value)
		}
	}
	return b.String()
}

func TestALikelyBotGetsATicketThatIsNothing(t *testing.T) {
	var counted func() map[bots.Outcome]int64
	s := newStack(t, withDatacentre(t), func(d *Deps) { counted = countNewcomers(d) })
	entry := s.open(liveSale("spring", withDecoys(sale.DecoyOn)))
	s.expect(403, problem.JoinRefused, "POST", springTickets, hosted, "") // there is no line yet
	first := s.line(entry.Room(), 2)
	text, decoy := s.decoyed(s.expect(201, "", "POST", springTickets, hosted, ""))
	bearer := header{"Penstock-Ticket": text}
	if again := s.expect(200, "", "POST", springTickets, bearer, ""); again.text(t, "ticket") != text {
		t.Fatal("another ticket")
	}
	ticket, err := s.tickets.Parse([]byte(first.text(t, "ticket")), "spring")
	if err != nil || ticket.Number != decoy.Number() {
		t.Fatalf("%v: the last of the line has %v, the decoy %v", err, ticket.Number, decoy.Number())
	}
	s.expect(204, "", "DELETE", "/v1/sales/spring/ticket", bearer, "")
	if poll := s.expect(200, "", "GET", "/v1/sales/spring/ticket", header{"Penstock-Ticket": first.text(t, "ticket")}, ""); poll.text(t, "state") != "waiting" {
		t.Fatalf("the holder of the same number: %s", poll.body)
	}
	if err := entry.Room().Refresh(context.Background()); err != nil || entry.Room().Snapshot().Entrants != 2 {
		t.Fatalf("%v: %d in the line, want 2", err, entry.Room().Snapshot().Entrants)
	}
	if n := counted(); n[bots.Joined] != 2 || n[bots.Blocked] != 1 || n[bots.Decoyed] != 1 || n[bots.WouldDecoy] != 0 {
		t.Fatalf("%v", n)
	}
}

// Whatever the holder of a decoy asks for is answered as it is for somebody who waits.
func TestADecoyIsAnsweredAsATicketThatWaits(t *testing.T) {
	s := newStack(t, withDatacentre(t))
	entry := s.open(liveSale("spring", withDecoys(sale.DecoyOn)))
	s.line(entry.Room(), 5)
	people := forwardedFor("203.0.113.9")
	tickets := map[string]string{}
	for kind, from := range map[string]header{"ticket": people, "decoy": hosted} {
		got := s.expect(201, "", "POST", springTickets, from, `{"items":["SNKR-42"]}`)
		if left := got.Header.Get("Ratelimit"); left == "" {
			t.Fatalf("%s: %v", kind, got.Header)
		}
		tickets[kind] = got.text(t, "ticket")
		tickets[kind+" shape"] = s.shape(got)
	}
	s.decoyed(s.expect(200, "", "GET", "/v1/sales/spring/ticket", header{"Penstock-Ticket": tickets["decoy"]}, ""))
	if tickets["ticket shape"] != tickets["decoy shape"] {
		t.Fatalf("joined:\n%s\n%s", tickets["ticket shape"], tickets["decoy shape"])
	}
	const unknown = "/v1/reservations/rsv_spring_1_AAAAAAAAAAAAAAAAAAAAAA"
	for _, asked := range []struct{ method, path, body string }{
		{"GET", "/v1/sales/spring/ticket", ""},
		{"POST", springTickets, ""},
		{"POST", springTickets, `{"items":[]}`},
		{"POST", springTickets, `{"items":["no such item"]}`},
		{"POST", springTickets, `{"proof":"x"}`},
		{"POST", springTickets, `{"invite":"ABCD"}`},
		{"POST", "/v1/sales/spring/passes", ""},
		{"POST", "/v1/sales/spring/pass/renew", ""},
		{"DELETE", "/v1/sales/spring/pass", ""},
		{"POST", "/v1/sales/spring/reservations", `{"customer":"ada","items":[{"sku":"SNKR-42","quantity":1}]}`},
		{"GET", unknown, ""},
		{"DELETE", unknown, ""},
		{"POST", unknown + "/extend", ""},
		{"POST", "/v1/orders", `{"reservation":"rsv_spring_1_AAAAAAAAAAAAAAAAAAAAAA","customer":{"email":"ada@example.com"}}`},
		{"POST", "/v1/sales/spring/ticket/notifications", `{"email":"ada@example.com"}`},
		{"POST", "/v1/sales/spring/ticket/notifications", `{}`},
		{"DELETE", "/v1/sales/spring/ticket/notifications", ""},
		{"GET", "/v1/auth?sale=spring", ""},
		{"DELETE", "/v1/sales/spring/ticket", ""},
	} {
		var shapes []string
		for _, kind := range []string{"ticket", "decoy"} {
			for _, h := range []header{{"Penstock-Ticket": tickets[kind]}, {"Cookie": "penstock_ticket_spring=" + tickets[kind]}} {
				h["Idempotency-Key"] = kind
				shapes = append(shapes, s.shape(s.do(asked.method, asked.path, h, asked.body)))
			}
		}
		if shapes[0] != shapes[2] || shapes[1] != shapes[3] {
			t.Errorf("%s %s %s\nticket: %s\ndecoy: %s\nticket as a cookie: %s\ndecoy as a cookie: %s",
				asked.method, asked.path, asked.body, shapes[0], shapes[2], shapes[1], shapes[3])
		}
	}
}

// Whatever is sent beside a decoy, what counts is what would count if it were a ticket: the first one in a header, or of
// several cookies the earliest.
func TestADecoyBesideATicketRanksAsATicketDoes(t *testing.T) {
	s := newStack(t, withDatacentre(t))
	entry := s.open(liveSale("spring", withDecoys(sale.DecoyOn)))
	early := s.line(entry.Room(), 5).text(t, "ticket")
	s.decoyed(s.expect(201, "", "POST", springTickets, hosted, "")) // of the same number
	decoy, between := s.decoyed(s.expect(201, "", "POST", springTickets, hosted, ""))
	late := s.line(entry.Room(), 3).text(t, "ticket")
	if first, err := s.tickets.Parse([]byte(early), "spring"); err != nil || first.Number >= between.Number() {
		t.Fatalf("%v: the ticket has %v, the decoy %v", err, first.Number, between.Number())
	}
	const cookie = "penstock_ticket_spring="
	for name, sent := range map[string]struct {
		header, cookies, counts string
	}{
		"a decoy in the header":  {decoy, cookie + early, decoy},
		"a ticket in the header": {early, cookie + decoy, early},
		"an earlier ticket":      {"", cookie + decoy + "; " + cookie + early, early},
		"an earlier decoy":       {"", cookie + late + "; " + cookie + decoy, decoy},
		"no ticket beside it":    {"", cookie + "x; " + cookie + decoy, decoy},
		"no ticket in a header":  {"x", cookie + decoy, decoy},
	} {
		h := header{"Cookie": sent.cookies}
		if sent.header != "" {
			h["Penstock-Ticket"] = sent.header
		}
		for _, method := range []string{"GET", "POST"} {
			path := springTickets
			if method == "GET" {
				path = "/v1/sales/spring/ticket"
			}
			if got := s.expect(200, "", method, path, h, "").text(t, "ticket"); got != sent.counts {
				t.Errorf("%s, %s: %s counts, want %s", name, method, got, sent.counts)
			}
		}
	}
}

func TestADecoyLineThatOnlyCountsChangesNothing(t *testing.T) {
	var counted func() map[bots.Outcome]int64
	s := newStack(t, withDatacentre(t), func(d *Deps) { counted = countNewcomers(d) })
	entry := s.open(liveSale("spring", withDecoys("")))
	s.line(entry.Room(), 2)
	for range 3 {
		s.expect(403, problem.JoinRefused, "POST", springTickets, hosted, "")
	}
	if n := counted(); n[bots.Joined] != 2 || n[bots.Blocked] != 3 || n[bots.Decoyed] != 0 || n[bots.WouldDecoy] != 3 {
		t.Fatalf("%v", n)
	}
}

// Whoever shares an address with many is refused, however often, and never sent to the decoy line. Decoys use up
// nothing of what people may take.
func TestNobodyGetsADecoyForWhatOthersBehindTheAddressDid(t *testing.T) {
	s := newStack(t, withDatacentre(t), withProofs)
	entry := s.open(liveSale("spring", func(o *sale.Sale) {
		withDecoys(sale.DecoyOn)(o)
		o.Bots.Limits.JoinsPerAddress = 3
	}))
	s.line(entry.Room(), 3)
	if got := s.joins(200, forwardedFor("203.0.113.9")); got[429] != 200 {
		t.Fatalf("%v", got)
	}
	if got := s.joins(200, hosted); got[201] != 3 || got[429] != 197 {
		t.Fatalf("decoys: %v", got)
	}
}

func TestAWorkThatWasNotDoneGetsADecoyAndAMistakeDoesNot(t *testing.T) {
	var counted func() map[bots.Outcome]int64
	s := newStack(t, withProofs, func(d *Deps) { counted = countNewcomers(d) })
	entry := s.open(liveSale("spring", func(o *sale.Sale) {
		working(sale.ProofSuspicious)(o)
		o.Bots.Decoy = sale.DecoyOn
	}))
	s.line(entry.Room(), 2)
	here := forwardedFor("203.0.113.5")
	challenge := func() proof.Challenge { return s.expect(200, "", "GET", springChallenge, here, "").challenge(t) }
	done := solved(t, challenge())
	s.expect(201, "", "POST", springTickets, here, proofBody(done))
	s.expect(403, problem.ProofInvalid, "POST", springTickets, here, proofBody(done))                                           // sent again
	s.expect(403, problem.ProofInvalid, "POST", springTickets, forwardedFor("203.0.113.77"), proofBody(solved(t, challenge()))) // from another network
	s.expect(403, problem.ProofInvalid, "POST", springTickets, here, proofBody("x"))
	c := challenge()
	_, decoy := s.decoyed(s.expect(201, "", "POST", springTickets, here, proofBody(payloadOf(t, c, (c.MaxNumber+1)/2))))
	if decoy.Number() < 3 {
		t.Fatalf("%+v", decoy)
	}
	if n := counted(); n[bots.Joined] != 3 || n[bots.Blocked] != 3 || n[bots.Decoyed] != 1 {
		t.Fatalf("%v", n)
	}
}

func TestWhomTheShopVouchesForGetsNoDecoy(t *testing.T) {
	s := newStack(t, withDatacentre(t), withIdentity(nil))
	entry := s.open(liveSale("spring", func(d *sale.Sale) {
		forCustomers(sale.JoinTokenOptional)(d)
		withDecoys(sale.DecoyOn)(d)
	}))
	s.line(entry.Room(), 2)
	decoy, _ := s.decoyed(s.expect(201, "", "POST", springTickets, hosted, ""))
	for name, brings := range map[string]header{"bob": hosted, "ada": {"X-Forwarded-For": "198.51.100.1", "Penstock-Ticket": decoy}, "eve": {"X-Forwarded-For": "198.51.100.1", "Cookie": "penstock_ticket_spring=" + decoy}} {
		got := s.expect(201, "", "POST", springTickets, brings, tokenBody(joinToken(t, "spring", name, time.Minute)))
		if _, err := s.tickets.Parse([]byte(got.text(t, "ticket")), "spring"); err != nil {
			t.Fatalf("%s, a customer, got no place: %v", name, err)
		}
	}
}

func TestAnInviteGetsAPlaceFromADataCentreOrARefusal(t *testing.T) {
	book := newInviteBook("autumn", "K7QF-2M4X-9TRA")
	s := newStack(t, withDatacentre(t), withIdentity(book))
	entry := s.open(liveSale("autumn", func(d *sale.Sale) {
		withDecoys(sale.DecoyOn)(d)
		d.Identity.InviteOnly = true
	}))
	if err := entry.Room().Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.expect(403, problem.JoinRefused, "POST", "/v1/sales/autumn/tickets", hosted, `{"invite":"K7QF-2M4X-9TRA"}`)
	if len(book.used) != 0 {
		t.Fatal("the refused invite is used up")
	}
}

// When the shop switches the decoy line off, decoys are no tickets, and who has one may take a place.
func TestDecoysEndWhenTheShopSwitchesThemOff(t *testing.T) {
	s := newStack(t, withDatacentre(t))
	entry := s.open(liveSale("spring", withDecoys(sale.DecoyOn)))
	s.line(entry.Room(), 2)
	text, _ := s.decoyed(s.expect(201, "", "POST", springTickets, hosted, ""))
	s.change(entry, func(o *sale.Record) { o.Bots.Decoy, o.Bots.Datacentres = "", "" })
	s.expect(403, problem.TicketInvalid, "GET", "/v1/sales/spring/ticket", header{"Penstock-Ticket": text}, "")
	got := s.expect(201, "", "POST", springTickets, header{"X-Forwarded-For": "198.51.100.1", "Cookie": "penstock_ticket_spring=" + text}, "")
	if _, err := s.tickets.Parse([]byte(got.text(t, "ticket")), "spring"); err != nil {
		t.Fatal(err)
	}
}

var (
	tags       = regexp.MustCompile(`(?s)<(script|style).*?</(script|style)>|<[^>]*>`)
	figureText = regexp.MustCompile(`penstock_[a-z]+=[^\s"&]+|\d+|\s+`)
)

// wordsOf is what a page says, without figures.
func wordsOf(a answer) string {
	return figureText.ReplaceAllString(tags.ReplaceAllString(string(a.body), " "), " ")
}

func ticketCookieOf(t *testing.T, a answer) string {
	t.Helper()
	for _, cookie := range a.Cookies() {
		if cookie.Name == "penstock_ticket_spring" {
			return cookie.Value
		}
	}
	t.Fatalf("no ticket: %d %v", a.StatusCode, a.Header)
	return ""
}

// The page, the link for browsers without cookies and the one for another device show a decoy as a place.
func TestThePageShowsADecoyAsAPlace(t *testing.T) {
	s := newStack(t, withDatacentre(t))
	entry := s.open(liveSale("spring", withDecoys(sale.DecoyOn)))
	s.line(entry.Room(), 5)
	pages := map[string][]string{}
	for kind, address := range map[string]string{"ticket": "203.0.113.9", "decoy": "198.51.100.1"} {
		come := header{"X-Forwarded-For": address, "Cookie": "penstock_cookies=1", "Accept": "text/html"}
		first := s.do("GET", "/sales/spring", come, "")
		token := ticketCookieOf(t, first)
		for _, path := range []string{"/sales/spring", "/sales/spring?penstock_device=1", "/sales/spring?penstock_ticket=" + token} {
			h := header{"Accept": "text/html", "Cookie": "penstock_cookies=1; penstock_ticket_spring=" + token}
			if strings.Contains(path, ticketParameter) {
				h = header{"Accept": "text/html"}
			}
			page := s.do("GET", path, h, "")
			pages[kind] = append(pages[kind], wordsOf(page), strconv.Itoa(page.StatusCode))
		}
	}
	if !slices.Equal(pages["ticket"], pages["decoy"]) {
		t.Fatalf("%q\n%q", pages["ticket"], pages["decoy"])
	}
}
