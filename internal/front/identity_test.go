package front

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/penstock/penstock/internal/identity"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

const joinSecret = "the-secret-that-the-shop-has-too"

// withIdentity gives a front a shared key, place keys and the invites of a ledger.
func withIdentity(invites *inviteBook) stackOption {
	return func(d *Deps) {
		d.JoinTokens = identity.NewVerifier(identity.SharedKeys{"k1": []byte(joinSecret)}, identity.FetchOptions{})
		d.PlaceKeys = queue.NewPlaceKeys(stackSecret)
		if invites != nil {
			d.Invites = identity.NewInvites(inviteCodes, invites.use)
		}
	}
}

var inviteCodes = identity.NewCodes(stackSecret)

// inviteBook stands for the invites in the ledger: by code, whether it was used and by whom.
type inviteBook struct {
	mu      sync.Mutex
	holders map[string]string
	used    map[string]bool
	down    bool
}

func newInviteBook(saleID string, codes ...string) *inviteBook {
	b := &inviteBook{holders: map[string]string{}, used: map[string]bool{}}
	for _, code := range codes {
		b.holders[inviteCodes.Hashes(saleID, identity.PlainCode(code))[0]] = ""
	}
	return b
}

func (b *inviteBook) use(_ context.Context, uses []ledger.InviteUse) ([]ledger.InviteUsed, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, problem.Unavailable
	}
	states := make([]ledger.InviteUsed, len(uses))
	for i, use := range uses {
		code, holder := use.Codes[0], strings.Join(use.Holders, "")
		was, known := b.holders[code]
		switch {
		case !known:
			states[i].State = ledger.InviteUnknown
		case b.used[code] && (holder == "" || was != holder):
			states[i].State = ledger.InviteTaken
		default:
			states[i].State, b.used[code], b.holders[code] = ledger.InviteGood, true, holder
		}
	}
	return states, nil
}

func joinToken(t testing.TB, saleID, customer string, life time.Duration) string {
	t.Helper()
	return laneToken(t, saleID, customer, "", life)
}

func laneToken(t testing.TB, saleID, customer, lane string, life time.Duration) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(joinSecret)}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Subject: customer, Audience: jwt.Audience{saleID}, Expiry: jwt.NewNumericDate(time.Now().Add(life)),
	}).Claims(struct {
		Lane string `json:"lane,omitempty"`
	}{lane}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func forCustomers(choice sale.JoinToken) func(*sale.Sale) {
	return func(s *sale.Sale) {
		s.Identity = sale.Identity{JoinToken: choice, SharedKeys: []string{"k1"}}
		s.Admission.RatePerMinute, s.Admission.MaxActive = 1, 1
	}
}

const springTickets = "/v1/sales/spring/tickets"

func tokenBody(token string) string { return `{"join_token":` + strconv.Quote(token) + `}` }

func (s *stack) refusedFor(reason identity.Reason, h header, body string) {
	s.t.Helper()
	got := s.expect(403, problem.JoinRefused, "POST", springTickets, h, body)
	if got.text(s.t, "reason") != string(reason) {
		s.t.Fatalf("want %s: %s", reason, got.body)
	}
}

func TestASaleForCustomersLetsInThoseWhomTheShopVouchesFor(t *testing.T) {
	s := newStack(t, withIdentity(nil))
	s.open(liveSale("spring", forCustomers(sale.JoinTokenRequired)))
	s.refusedFor(identity.TokenRequired, nil, "")
	s.refusedFor(identity.TokenRequired, nil, `{"join_token":""}`)
	s.refusedFor(identity.TokenInvalid, nil, tokenBody("x.y.z"))
	s.refusedFor(identity.TokenInvalid, nil, tokenBody(joinToken(t, "autumn", "ada", time.Minute)))
	s.refusedFor(identity.TokenExpired, nil, tokenBody(joinToken(t, "spring", "ada", -time.Minute)))
	first := s.expect(201, "", "POST", springTickets, nil, tokenBody(joinToken(t, "spring", "ada", time.Minute)))
	again := s.expect(200, "", "POST", springTickets, nil, tokenBody(joinToken(t, "spring", "ada", time.Hour)))
	if first.text(t, "ticket") != again.text(t, "ticket") {
		t.Fatalf("on another device:\n%s\n%s", first.body, again.body)
	}
	if len(again.Cookies()) != 1 {
		t.Fatalf("no cookie on the other device: %v", again.Header)
	}
	other := s.expect(201, "", "POST", springTickets, nil, tokenBody(joinToken(t, "spring", "bob", time.Minute)))
	if other.text(t, "ticket") == first.text(t, "ticket") {
		t.Fatal("two customers with one place")
	}
	// the ticket alone is enough from now on
	s.expect(200, "", "POST", springTickets, header{"Penstock-Ticket": first.text(t, "ticket")}, "")
}

func TestTheLaneComesFromTheSignedTokenAlone(t *testing.T) {
	s := newStack(t, withIdentity(nil))
	entry := s.open(liveSale("spring", func(s *sale.Sale) {
		forCustomers(sale.JoinTokenOptional)(s)
		s.Admission.Lanes = []sale.Lane{{Name: "vip", Share: 0.2}}
	}))
	s.admitted("spring") // the one slot is taken
	lane := func(got answer) queue.Lane {
		ticket, err := s.tickets.Parse([]byte(got.text(t, "ticket")), "spring")
		if err != nil {
			t.Fatal(err)
		}
		return ticket.Number.Lane()
	}
	vip := s.expect(201, "", "POST", springTickets, nil, tokenBody(laneToken(t, "spring", "ada", "vip", time.Minute)))
	if lane(vip) != 1 || vip.text(t, "lane") != "vip" {
		t.Fatalf("the token names the lane vip: %s", vip.body)
	}
	vipPage := s.expect(200, "", "GET", "/sales/spring", header{"Accept": "text/html", "Cookie": "penstock_ticket_spring=" + vip.text(t, "ticket")}, "")
	if !strings.Contains(string(vipPage.body), `<dt>Your line</dt><dd><bdi>vip</bdi></dd>`) {
		t.Fatalf("the page does not tell the lane: %s", vipPage.body)
	}
	// On another device, with a token that names no lane or another one, the place is the same.
	for _, other := range []string{"", "staff"} {
		again := s.expect(200, "", "POST", springTickets, nil, tokenBody(laneToken(t, "spring", "ada", other, time.Minute)))
		if again.text(t, "ticket") != vip.text(t, "ticket") {
			t.Fatalf("the place was moved: %s", again.body)
		}
	}
	if unknown := s.expect(201, "", "POST", springTickets, nil, tokenBody(laneToken(t, "spring", "bob", "staff", time.Minute))); lane(unknown) != 0 {
		t.Fatalf("a lane that the sale does not have is a privilege: %s", unknown.body)
	}
	if plain := s.expect(201, "", "POST", springTickets+"?lane=vip", header{"Penstock-Lane": "vip"}, ""); lane(plain) != 0 || strings.Contains(string(plain.body), `"lane"`) {
		t.Fatalf("an address that names a lane is believed: %s", plain.body)
	}
	s.expect(400, "", "POST", springTickets, nil, `{"lane":"vip"}`)
	s.refusedFor(identity.TokenInvalid, nil, tokenBody(laneToken(t, "autumn", "eve", "vip", time.Minute)))
	// Who joined before the login has one place afterwards, in the lane.
	plain := s.expect(201, "", "POST", springTickets, nil, "")
	moved := s.expect(201, "", "POST", springTickets, header{"Penstock-Ticket": plain.text(t, "ticket")}, tokenBody(laneToken(t, "spring", "zoe", "vip", time.Minute)))
	if lane(moved) != 1 {
		t.Fatalf("got %s", moved.body)
	}
	if got := s.expect(200, "", "GET", "/v1/sales/spring/ticket", header{"Penstock-Ticket": plain.text(t, "ticket")}, ""); got.text(t, "state") != "missed" {
		t.Fatalf("the place from before is good too: %s", got.body)
	}
	if err := entry.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	doc := s.expect(200, "", "GET", "/v1/sales/spring", nil, "")
	if !strings.Contains(string(doc.body), `"lanes":[{"name":"vip","called":0,"entrants":2}]`) {
		t.Fatalf("the public document: %s", doc.body)
	}
}

func TestATicketFromBeforeTheLogin(t *testing.T) {
	s := newStack(t, withIdentity(nil))
	entry := s.open(liveSale("spring", forCustomers(sale.JoinTokenOptional)))
	s.admitted("spring") // the one slot is taken
	number := func(got answer) uint64 {
		ticket, err := s.tickets.Parse([]byte(got.text(t, "ticket")), "spring")
		if err != nil {
			t.Fatal(err)
		}
		return uint64(ticket.Number)
	}
	plain := s.expect(201, "", "POST", springTickets, nil, "")
	ada := tokenBody(joinToken(t, "spring", "ada", time.Minute))
	kept := s.expect(200, "", "POST", springTickets, header{"Penstock-Ticket": plain.text(t, "ticket")}, ada)
	if number(kept) != number(plain) || kept.text(t, "ticket") == plain.text(t, "ticket") {
		t.Fatalf("the place was not kept: %s", kept.body)
	}
	// She joins with another browser before she logs in there: that place goes to the next in line.
	second := s.expect(201, "", "POST", springTickets, nil, "")
	got := s.expect(200, "", "POST", springTickets, header{"Cookie": "penstock_ticket_spring=" + second.text(t, "ticket")}, ada)
	if got.text(t, "ticket") != kept.text(t, "ticket") {
		t.Fatalf("another place: %s", got.body)
	}
	if err := entry.Room().Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.awaitState("spring", second.text(t, "ticket"), "missed")
	// In the same browser somebody else logs in: her place stays hers.
	bob := s.expect(201, "", "POST", springTickets, header{"Cookie": "penstock_ticket_spring=" + kept.text(t, "ticket")}, tokenBody(joinToken(t, "spring", "bob", time.Minute)))
	if number(bob) == number(kept) {
		t.Fatal("two customers with one place")
	}
	s.awaitState("spring", kept.text(t, "ticket"), "waiting")
}

func TestThePageTakesATokenFromTheAddressAndForgetsIt(t *testing.T) {
	s := newStack(t, withIdentity(nil))
	s.open(liveSale("spring", forCustomers(sale.JoinTokenRequired)))
	s.expect(201, "", "POST", springTickets, nil, tokenBody(joinToken(t, "spring", "first", time.Minute)))
	visitor := s.browser()
	token := url.QueryEscape(joinToken(t, "spring", "ada", time.Minute))
	first := s.getPage(visitor, "GET", "/sales/spring?variant=42&join_token="+token)
	to := first.Header.Get("Location")
	if first.StatusCode != 303 || strings.Contains(to, "join_token") || !strings.Contains(to, "variant=42") {
		t.Fatalf("%d %v %s", first.StatusCode, first.Header, first.body)
	}
	second := s.getPage(visitor, "GET", to)
	if second.StatusCode != 200 || strings.Contains(string(second.body), token) || !strings.Contains(string(second.body), "You are in line") {
		t.Fatalf("%d %s", second.StatusCode, second.body)
	}
	forgetful := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if got := s.getPage(forgetful, "GET", to); got.StatusCode != 200 || !strings.Contains(string(got.body), "Your browser blocks cookies") {
		t.Fatalf("without cookies: %d %s", got.StatusCode, got.body)
	}
	// A link that has expired takes nobody's place away.
	expired := "/sales/spring?join_token=" + url.QueryEscape(joinToken(t, "spring", "ada", -time.Minute))
	if got := s.getPage(visitor, "GET", expired); got.StatusCode != 200 || strings.Contains(string(got.body), "Your link has expired") {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	newcomer := s.browser()
	s.getPage(newcomer, "GET", expired)
	if got := s.getPage(newcomer, "GET", expired); got.StatusCode != 403 || !strings.Contains(string(got.body), "Your link has expired") {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if got := s.getPage(newcomer, "GET", "/sales/spring"); got.StatusCode != 403 || !strings.Contains(string(got.body), "for customers of the shop") {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
}

func TestAnInviteIsGoodForOnePlace(t *testing.T) {
	book := newInviteBook("spring", "AAAA-BBBB-CCCC", "DDDD-EEEE-FFFF", "GGGG-HHHH-JJJJ")
	s := newStack(t, withIdentity(book))
	s.open(liveSale("spring", func(one *sale.Sale) {
		forCustomers(sale.JoinTokenOptional)(one)
		one.Identity.InviteOnly = true
	}))
	invite := func(code string) string { return `{"invite":"` + code + `"}` }
	s.refusedFor(identity.InviteRequired, nil, "")
	s.refusedFor(identity.InviteInvalid, nil, invite("NONE-NONE-NONE"))
	phone := header{"Penstock-Device": "the-phone"}
	first := s.expect(201, "", "POST", springTickets, phone, invite("aaaa bbbb cccc"))
	if again := s.expect(200, "", "POST", springTickets, phone, invite("AAAABBBBCCCC")); again.text(t, "ticket") != first.text(t, "ticket") {
		t.Fatalf("%s", again.body)
	}
	s.refusedFor(identity.InviteUsed, nil, invite("AAAA-BBBB-CCCC"))
	s.refusedFor(identity.InviteUsed, header{"Penstock-Device": "another"}, invite("AAAA-BBBB-CCCC"))
	s.expect(201, "", "POST", springTickets, nil, invite("DDDD-EEEE-FFFF"))
	s.refusedFor(identity.InviteUsed, nil, invite("DDDD-EEEE-FFFF")) // who said nothing cannot be told from others

	// A customer needs the invite once, on whatever device.
	token := joinToken(t, "spring", "ada", time.Minute)
	s.refusedFor(identity.InviteRequired, nil, tokenBody(token))
	ada := s.expect(201, "", "POST", springTickets, nil, `{"join_token":"`+token+`","invite":"GGGG-HHHH-JJJJ"}`)
	if again := s.expect(200, "", "POST", springTickets, nil, tokenBody(token)); again.text(t, "ticket") != ada.text(t, "ticket") {
		t.Fatalf("%s", again.body)
	}
	s.expect(204, "", "DELETE", "/v1/sales/spring/ticket", header{"Penstock-Ticket": ada.text(t, "ticket")}, "")
	s.refusedFor(identity.InviteUsed, nil, `{"join_token":"`+token+`","invite":"GGGG-HHHH-JJJJ"}`)
}

func TestInvitesCannotBeGuessedAndAreClosedWhileTheLedgerIsDown(t *testing.T) {
	book := newInviteBook("spring", "AAAA-BBBB-CCCC")
	s := newStack(t, withIdentity(book))
	s.open(liveSale("spring", func(one *sale.Sale) { one.Identity.InviteOnly = true }))
	from := func(address string) header { return header{"X-Forwarded-For": address} }
	book.mu.Lock()
	book.down = true
	book.mu.Unlock()
	s.expect(503, problem.Unavailable, "POST", springTickets, from("192.0.2.1"), `{"invite":"AAAA-BBBB-CCCC"}`)
	book.mu.Lock()
	book.down = false
	book.mu.Unlock()
	for i := range 5 {
		s.refusedFor(identity.InviteInvalid, from("192.0.2.1"), `{"invite":"GUESS-NR-`+strconv.Itoa(i)+`"}`)
	}
	limited := s.expect(429, problem.RateLimited, "POST", springTickets, from("192.0.2.1"), `{"invite":"AAAA-BBBB-CCCC"}`)
	if limited.Header.Get("Retry-After") == "" {
		t.Fatal("when to come back is not said")
	}
	visitor := s.browser()
	s.expect(201, "", "POST", springTickets, from("192.0.2.2"), `{"invite":"AAAA-BBBB-CCCC"}`)
	s.getPage(visitor, "GET", "/sales/spring?invite=FIRST-VISIT")
	for address, want := range map[string]string{"": "This sale is by invitation", "?invite=AAAA-BBBB-CCCC": "This invitation was used already", "?invite=WHO-KNOWS-IT": "We do not know this invitation"} {
		if got := s.getPage(visitor, "GET", "/sales/spring"+address); got.StatusCode != http.StatusForbidden || !strings.Contains(string(got.body), want) {
			t.Errorf("%s: %d %s", address, got.StatusCode, got.body)
		}
	}
}

func TestOneKeyFromFiftyAddressesHasOnePlace(t *testing.T) {
	s := newStack(t, withIdentity(nil))
	entry := s.open(liveSale("spring", forCustomers(sale.JoinTokenRequired)))
	body := tokenBody(joinToken(t, "spring", "ada", time.Minute))
	var mu sync.Mutex
	tickets, created := map[string]int{}, 0
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			got := s.do("POST", springTickets, header{"X-Forwarded-For": "192.0.2." + strconv.Itoa(i%50)}, body)
			mu.Lock()
			defer mu.Unlock()
			if got.StatusCode == 201 {
				created++
			}
			if got.StatusCode != 201 && got.StatusCode != 200 {
				t.Errorf("%d %s", got.StatusCode, got.body)
				return
			}
			tickets[got.text(t, "ticket")]++
		})
	}
	all.Wait()
	if err := entry.Room().Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := entry.Room().Snapshot().Entrants; n != 1 || len(tickets) != 1 || created != 1 {
		t.Fatalf("%d entrants, %d tickets, %d answers of 201", n, len(tickets), created)
	}
}
