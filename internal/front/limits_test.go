package front

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// crowded is a sale in which hardly anybody is called.
func crowded(s *sale.Sale) { s.Admission.RatePerMinute, s.Admission.MaxActive = 1, 1 }

// limited is crowded, with limits.
func limited(limits sale.Limits) func(*sale.Sale) {
	return func(s *sale.Sale) {
		crowded(s)
		s.Bots.Limits = limits
	}
}

func forwardedFor(address string) header { return header{"X-Forwarded-For": address} }

// joins sends n joins with 16 connections, and counts the answers by status.
func (s *stack) joins(n int, h header) map[int]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	statuses, numbers := map[int]int{}, make(chan int, n)
	for i := range n {
		numbers <- i
	}
	close(numbers)
	for range 16 {
		all.Go(func() {
			for range numbers {
				got := s.do("POST", springTickets, h, "")
				mu.Lock()
				statuses[got.StatusCode]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return statuses
}

func TestOneAddressIsHeldToItsLimitAndTheNextVisitorIsNotBehindIt(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", crowded))
	s.expect(201, "", "POST", springTickets, forwardedFor("203.0.113.1"), "")
	began := time.Now()
	got := s.joins(1500, forwardedFor("198.51.100.1"))
	most := sale.DefaultJoinsPerAddress * (1 + int(time.Since(began).Minutes()+1))
	if got[201] < sale.DefaultJoinsPerAddress || got[201] > most || got[201]+got[429] != 1500 {
		t.Fatalf("answers by status: %v", got)
	}
	next := s.expect(201, "", "POST", springTickets, forwardedFor("203.0.113.9"), "")
	if ahead, ok := next.json(t)["ahead"].(float64); !ok || ahead > float64(got[201])+1 {
		t.Fatalf("%d were let in, and the next visitor has %s", got[201], next.body)
	}
	refused := s.expect(429, problem.RateLimited, "POST", springTickets, forwardedFor("198.51.100.1"), "")
	if seconds, err := strconv.Atoi(refused.Header.Get("Retry-After")); err != nil || seconds < 1 || refused.text(t, "limit") != "joins_per_address" {
		t.Fatalf("%v %s", refused.Header, refused.body)
	}
	if policy, left := refused.Header.Get("RateLimit-Policy"), refused.Header.Get("RateLimit"); policy != `"joins_per_address";q=120;w=60` || !strings.HasPrefix(left, `"joins_per_address";r=0;t=`) {
		t.Fatalf("%s | %s", policy, left)
	}
	if refused.Header.Get("Set-Cookie") != "" {
		t.Fatal("a refused visitor got a ticket")
	}
}

func TestWhoHasAPlaceIsNotCountedAgain(t *testing.T) {
	s := newStack(t, withIdentity(nil))
	s.open(liveSale("spring", func(d *sale.Sale) {
		forCustomers(sale.JoinTokenOptional)(d)
		d.Bots.Limits = sale.Limits{JoinsPerAddress: 3, JoinsPerKey: 1}
	}))
	h := forwardedFor("198.51.100.1")
	ada := tokenBody(joinToken(t, "spring", "ada", time.Minute))
	mine := s.expect(201, "", "POST", springTickets, h, ada).text(t, "ticket")
	for range 10 {
		if again := s.expect(200, "", "POST", springTickets, h, ada).text(t, "ticket"); again != mine {
			t.Fatal("another place")
		}
		s.expect(200, "", "POST", springTickets, header{"X-Forwarded-For": "198.51.100.1", "Penstock-Ticket": mine}, "")
	}
	s.expect(201, "", "POST", springTickets, h, "")
	s.expect(201, "", "POST", springTickets, h, "")
	s.expect(429, problem.RateLimited, "POST", springTickets, h, "")
	s.expect(200, "", "POST", springTickets, h, ada) // the limit is reached, and ada has her place
	s.expect(429, problem.RateLimited, "POST", springTickets, h, tokenBody(joinToken(t, "spring", "bob", time.Minute)))
}

func TestARefusedVisitorKeepsTheInvite(t *testing.T) {
	book := newInviteBook("spring", "GOLD-1234")
	s := newStack(t, withIdentity(book))
	s.open(liveSale("spring", func(d *sale.Sale) {
		crowded(d)
		d.Identity.InviteOnly = true
		d.Bots.Limits = sale.Limits{JoinsPerAddress: 1}
	}))
	book.holders[inviteCodes.Hashes("spring", "GOLD5678")[0]] = ""
	s.expect(201, "", "POST", springTickets, forwardedFor("198.51.100.1"), `{"invite":"GOLD-1234"}`)
	s.expect(429, problem.RateLimited, "POST", springTickets, forwardedFor("198.51.100.1"), `{"invite":"GOLD-5678"}`)
	s.expect(201, "", "POST", springTickets, forwardedFor("203.0.113.1"), `{"invite":"GOLD-5678"}`)
}

// A proxy that names nobody, and a program on this machine, may stand for many visitors.
func TestWhereTheClientIsNotKnownNobodyIsLimited(t *testing.T) {
	few := sale.Limits{JoinsPerAddress: 2}
	s := newStack(t)
	s.open(liveSale("spring", limited(few)))
	for _, h := range []header{nil, forwardedFor("127.0.0.1"), forwardedFor("unknown")} {
		if got := s.joins(10, h); got[201] != 10 {
			t.Fatalf("%v: %v", h, got)
		}
	}
	few.Unforwarded = true
	s.open(liveSale("autumn", limited(few)))
	for i := range 3 {
		want, code := 201, problem.Code("")
		if i == 2 {
			want, code = 429, problem.RateLimited
		}
		s.expect(want, code, "POST", "/v1/sales/autumn/tickets", nil, "")
	}
}

func TestAProgramOnThisMachineActsWithoutALimit(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(d *sale.Sale) { d.Bots.Limits = sale.Limits{ActionsPerTicket: 2} }))
	s.open(liveSale("autumn", func(d *sale.Sale) { d.Bots.Limits = sale.Limits{ActionsPerTicket: 2, Unforwarded: true} }))
	last := func(sale string, h header) int {
		ticket := s.expect(201, "", "POST", "/v1/sales/"+sale+"/tickets", h, "").text(t, "ticket")
		s.awaitState(sale, ticket, "called")
		with := header{"Penstock-Ticket": ticket, "X-Forwarded-For": h["X-Forwarded-For"]}
		if h == nil {
			delete(with, "X-Forwarded-For")
		}
		var status int
		for range 4 {
			status = s.do("POST", "/v1/sales/"+sale+"/passes", with, "").StatusCode
		}
		return status
	}
	for _, one := range []struct {
		sale string
		from header
		want int
	}{{"spring", nil, 200}, {"spring", forwardedFor("203.0.113.1"), 429}, {"autumn", nil, 429}} {
		if got := last(one.sale, one.from); got != one.want {
			t.Errorf("%s, %v: the fourth claim got %d, want %d", one.sale, one.from, got, one.want)
		}
	}
}

// TestAClaimThatIsRepeatedGetsThePassWhateverOthersAtTheAddressDo, as the first answer may be lost.
func TestAClaimThatIsRepeatedGetsThePassWhateverOthersAtTheAddressDo(t *testing.T) {
	for name, limits := range map[string]sale.Limits{
		"its address": {ActionsPerAddress: 2},
		"its network": {ActionsPerNetwork: 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			s.open(liveSale("spring", func(d *sale.Sale) { d.Bots.Limits = limits }))
			called := func() header {
				ticket := s.expect(201, "", "POST", springTickets, forwardedFor("198.51.100.1"), "").text(t, "ticket")
				s.awaitState("spring", ticket, "called")
				return header{"X-Forwarded-For": "198.51.100.1", "Penstock-Ticket": ticket}
			}
			const claim = "/v1/sales/spring/passes"
			mine, neighbour, late := called(), called(), called()
			pass := s.expect(201, "", "POST", claim, mine, "").text(t, "pass")
			s.expect(201, "", "POST", claim, neighbour, "")
			s.expect(429, problem.RateLimited, "POST", claim, late, "")
			for _, again := range []string{claim, claim + "?late=1"} {
				if got := s.expect(200, "", "POST", again, mine, "").text(t, "pass"); got != pass {
					t.Fatal("another pass")
				}
			}
			// A pass that was given back is none.
			s.expect(204, "", "DELETE", "/v1/sales/spring/pass", header{"Penstock-Pass": pass}, "")
			s.expect(429, problem.RateLimited, "POST", claim, mine, "")
		})
	}
}

func TestTheModeOfTheLimits(t *testing.T) {
	s := newStack(t)
	for id, mode := range map[string]sale.LimitMode{"logged": sale.LimitLog, "free": sale.LimitNone} {
		s.open(liveSale(id, limited(sale.Limits{Mode: mode, JoinsPerAddress: 1})))
		for range 5 {
			s.expect(201, "", "POST", "/v1/sales/"+id+"/tickets", forwardedFor("198.51.100.1"), "")
		}
	}
}

func TestThePageIsHeldToTheSameLimitInWords(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", limited(sale.Limits{JoinsPerAddress: 2})))
	visit := header{"X-Forwarded-For": "198.51.100.1", "Cookie": "penstock_cookies=1", "Accept": "text/html"}
	for i := range 4 {
		got := s.do("GET", "/sales/spring", visit, "")
		if want := map[bool]int{true: 200, false: 429}[i < 2]; got.StatusCode != want && !(i == 0 && got.StatusCode == 303) {
			t.Fatalf("view %d: %d", i, got.StatusCode)
		}
		if got.StatusCode == 429 && (got.Header.Get("Retry-After") == "" || !strings.Contains(got.Header.Get("Content-Type"), "text/html")) {
			t.Fatal(got.Header)
		}
	}
}

// A client without cookies that opens the page again and again uses up nobody's limit: it gets no place.
func TestAClientWithoutCookiesTakesNoPlaceOnThePage(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", limited(sale.Limits{JoinsPerAddress: 2})))
	s.admitted("spring")
	for range 50 {
		s.do("GET", "/sales/spring", header{"X-Forwarded-For": "198.51.100.1", "Accept": "text/html"}, "")
	}
	s.expect(201, "", "POST", springTickets, forwardedFor("198.51.100.1"), "")
	s.expect(201, "", "POST", springTickets, forwardedFor("198.51.100.1"), "")
	s.expect(429, problem.RateLimited, "POST", springTickets, forwardedFor("198.51.100.1"), "")
}

func TestClaimsAndReservationsHaveALimitForEachTicketAndAddress(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(d *sale.Sale) { d.Bots.Limits = sale.Limits{ActionsPerTicket: 5, ActionsPerAddress: 2} }))
	claims := func(from string, statuses ...int) (pass string) {
		t.Helper()
		ticket := s.expect(201, "", "POST", springTickets, forwardedFor(from), "").text(t, "ticket")
		s.awaitState("spring", ticket, "called")
		for _, want := range statuses {
			got := s.do("POST", "/v1/sales/spring/passes", header{"X-Forwarded-For": from, "Penstock-Ticket": ticket}, "")
			if got.StatusCode != want {
				t.Fatalf("a claim from %s: %d, want %d: %s", from, got.StatusCode, want, got.body)
			}
			if want < 300 {
				pass = got.text(t, "pass")
			}
		}
		return pass
	}
	// Whoever has a pass gets it again, as often as one ticket may ask, and takes nothing from others at the address.
	claims("198.51.100.1", 201, 200, 200, 200, 200, 429)
	limited := claims("198.51.100.1", 201)
	claims("198.51.100.1", 429)
	free := claims("203.0.113.1", 201)
	reserve := func(from, pass, shopKey string) int {
		h := header{"X-Forwarded-For": from, "Penstock-Pass": pass, "Idempotency-Key": from + shopKey}
		if shopKey != "" {
			h["Authorization"] = "Bearer " + shopKey
		}
		return s.do("POST", "/v1/sales/spring/reservations", h, `{"customer":"`+pass[len(pass)-8:]+`","items":[{"sku":"SNKR-42","quantity":1}]}`).StatusCode
	}
	if got := reserve("198.51.100.1", limited, ""); got != 429 {
		t.Errorf("from an address over its limit: %d", got)
	}
	if got := reserve("198.51.100.1", limited, s.shopKey); got != 201 {
		t.Errorf("for a shop's backend: %d", got)
	}
	if got := reserve("203.0.113.1", free, ""); got != 201 {
		t.Errorf("from another address: %d", got)
	}
}
