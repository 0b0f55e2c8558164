package front

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/proof"
	"github.com/penstock/penstock/internal/sale"
)

func withProofs(d *Deps) { d.Proofs = proof.NewKeys(stackSecret) }

// working asks for proofs of work, in a sale in which hardly anybody is called.
func working(of sale.Proof) func(*sale.Sale) {
	return func(s *sale.Sale) {
		crowded(s)
		s.Bots.Proof = of
	}
}

func solved(t testing.TB, c proof.Challenge) string {
	t.Helper()
	for number := range c.MaxNumber + 1 {
		if sum := sha256.Sum256([]byte(c.Salt + strconv.FormatInt(number, 10))); hex.EncodeToString(sum[:]) == c.Challenge {
			return payloadOf(t, c, number)
		}
	}
	t.Fatal("a challenge without a solution")
	return ""
}

func payloadOf(t testing.TB, c proof.Challenge, number int64) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"algorithm": c.Algorithm, "challenge": c.Challenge, "number": number, "salt": c.Salt, "signature": c.Signature})
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

func (a answer) challenge(t testing.TB) proof.Challenge {
	t.Helper()
	var doc struct {
		Challenge json.RawMessage `json:"challenge"`
	}
	c := proof.Challenge{}
	if err := json.Unmarshal(a.body, &doc); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	text := []byte(doc.Challenge)
	if a.StatusCode == 200 {
		text = a.body
	}
	if err := json.Unmarshal(text, &c); err != nil || c.MaxNumber == 0 {
		t.Fatalf("%v: %s", err, a.body)
	}
	return c
}

func proofBody(text string) string { return `{"proof":` + strconv.Quote(text) + `}` }

const springChallenge = "/v1/sales/spring/challenge"

func TestWhoeverHasWorkedGetsAPlaceAndASolutionCountsOnce(t *testing.T) {
	s := newStack(t, withProofs)
	entry := s.open(liveSale("spring", working(sale.ProofAlways)))
	here := forwardedFor("203.0.113.5")
	asked := s.expect(403, problem.ProofRequired, "POST", springTickets, here, "")
	solution := proofBody(solved(t, asked.challenge(t)))
	got := s.expect(201, "", "POST", springTickets, here, solution)
	again := s.expect(403, problem.ProofInvalid, "POST", springTickets, here, solution)
	s.expect(201, "", "POST", springTickets, here, proofBody(solved(t, again.challenge(t))))
	s.expect(201, "", "POST", springTickets, here, proofBody(solved(t, s.expect(200, "", "GET", springChallenge, here, "").challenge(t))))

	// Another gate, or this one after a kill: nothing of it is in the memory.
	s.proofs.used = proof.NewUsed()
	s.expect(403, problem.ProofInvalid, "POST", springTickets, here, solution)
	if n := entry.Room().Snapshot().Entrants; n > 3 {
		t.Fatalf("%d places were given", n)
	}
	// Whoever has a place needs no proof.
	s.expect(200, "", "POST", springTickets, header{"Penstock-Ticket": got.text(t, "ticket")}, "")
	if n := s.metricWith(t, "penstock_proofs_total", "used"); n != 2 {
		t.Fatalf("%v used proofs were counted", n)
	}
}

func TestASolutionOfSomewhereElseIsRefused(t *testing.T) {
	s := newStack(t, withProofs)
	s.open(liveSale("spring", working(sale.ProofAlways)))
	s.open(liveSale("summer", working(sale.ProofAlways)))
	here := forwardedFor("203.0.113.5")
	challenge := func() proof.Challenge { return s.expect(200, "", "GET", springChallenge, here, "").challenge(t) }
	refused := func(what, path, address, body string) {
		t.Helper()
		if got := s.do("POST", path, forwardedFor(address), body); got.StatusCode != 403 || got.text(t, "code") != "proof_invalid" || got.challenge(t).Salt == "" {
			t.Fatalf("%s: %s", what, got.body)
		}
	}
	stolen := proofBody(solved(t, challenge()))
	refused("stolen by a neighbour", springTickets, "203.0.113.6", stolen)
	refused("stolen by somebody far away", springTickets, "198.51.100.7", stolen)
	refused("for another sale", "/v1/sales/summer/tickets", "203.0.113.5", stolen)
	s.expect(201, "", "POST", springTickets, here, stolen) // the owner's is good all the same

	c := challenge()
	refused("not solved", springTickets, "203.0.113.5", proofBody(payloadOf(t, c, c.MaxNumber)))
	easier := challenge()
	easier.Salt = strings.Replace(easier.Salt, "&max=25000&", "&max=1&", 1)
	refused("made easier", springTickets, "203.0.113.5", proofBody(payloadOf(t, easier, 1)))
	longer := challenge()
	longer.Salt = regexp.MustCompile(`expires=\d+`).ReplaceAllString(longer.Salt, "expires=9999999999")
	refused("made to last", springTickets, "203.0.113.5", proofBody(payloadOf(t, longer, 1)))
	refused("no solution", springTickets, "203.0.113.5", proofBody("x"))
	refused("too long", springTickets, "203.0.113.5", proofBody(strings.Repeat("A", 4096)))

	scope := proof.Scope{Sale: "spring", Requester: "203.0.113.5/32", Epoch: 1}
	old := proof.NewKeys(stackSecret).Challenge(scope, proof.MaxDifficulty, time.Now().Add(-proof.Life-time.Second))
	refused("too old", springTickets, "203.0.113.5", proofBody(solved(t, old)))
}

func TestWhatRedisCannotTellIsNotTakenForGood(t *testing.T) {
	s := newStack(t, withProofs)
	s.open(liveSale("spring", working(sale.ProofAlways)))
	solution := proofBody(solved(t, s.expect(200, "", "GET", springChallenge, nil, "").challenge(t)))
	s.mini.SetError("LOADING")
	s.expect(503, problem.Unavailable, "POST", springTickets, nil, solution)
	s.mini.SetError("")
	unable := newStack(t)
	unable.open(liveSale("spring", working(sale.ProofAlways)))
	unable.expect(503, problem.Unavailable, "POST", springTickets, nil, "")
}

func TestOnlySuspiciousAddressesWork(t *testing.T) {
	s := newStack(t, withProofs)
	s.open(liveSale("spring", working(sale.ProofSuspicious)))
	s.open(liveSale("plain", crowded))
	here, next := forwardedFor("203.0.113.5"), forwardedFor("198.51.100.7")
	s.expect(404, problem.NotFound, "GET", "/v1/sales/plain/challenge", nil, "")
	easy := proofBody(solved(t, s.expect(200, "", "GET", springChallenge, here, "").challenge(t)))
	for range 4 {
		s.expect(201, "", "POST", springTickets, here, "")
	}
	first := s.expect(403, problem.ProofRequired, "POST", springTickets, here, "").challenge(t)
	for range 4 {
		c := s.expect(403, problem.ProofRequired, "POST", springTickets, here, "").challenge(t)
		s.expect(201, "", "POST", springTickets, here, proofBody(solved(t, c)))
	}
	harder := s.expect(403, problem.ProofRequired, "POST", springTickets, here, "").challenge(t)
	if first.MaxNumber != 50_000 || harder.MaxNumber != 100_000 {
		t.Fatalf("%d, then %d are to be tried", first.MaxNumber, harder.MaxNumber)
	}
	// What was solved ahead, while little was asked, is not enough any more.
	s.expect(403, problem.ProofRequired, "POST", springTickets, here, easy)
	s.expect(201, "", "POST", springTickets, next, "")
	// A shop's backend acts for many.
	s.expect(201, "", "POST", springTickets, header{"X-Forwarded-For": "203.0.113.5", "Authorization": "Bearer " + s.shopKey}, "")
}

// In a sale that asks nobody else for one.
func TestWhoeverComesFromADataCentreWorksForAPlace(t *testing.T) {
	s := newStack(t, withDatacentre(t), withProofs, withIdentity(nil))
	s.open(liveSale("spring", func(o *sale.Sale) {
		forCustomers(sale.JoinTokenOptional)(o)
		crowded(o)
		o.Bots.Datacentres = sale.DatacentresProof
	}))
	there, elsewhere := hosted, forwardedFor("203.0.113.5")
	asked := s.expect(403, problem.ProofRequired, "POST", springTickets, there, "").challenge(t)
	if want := proof.DifficultyFor(proof.Behaviour{Datacentre: true}).MaxNumber(); asked.MaxNumber != want {
		t.Fatalf("%d are to be tried, want %d", asked.MaxNumber, want)
	}
	s.expect(201, "", "POST", springTickets, there, proofBody(solved(t, asked)))
	ahead := s.expect(200, "", "GET", springChallenge, there, "").challenge(t)
	s.expect(201, "", "POST", springTickets, there, proofBody(solved(t, ahead)))
	s.expect(201, "", "POST", springTickets, elsewhere, "")
	s.expect(201, "", "POST", springTickets, there, tokenBody(joinToken(t, "spring", "ada", time.Minute)))
	s.expect(201, "", "POST", springTickets, header{"X-Forwarded-For": hosted["X-Forwarded-For"], "Authorization": "Bearer " + s.shopKey}, "")
	page := s.visit(s.browser(), "GET", "/sales/spring")
	if strings.Contains(string(page.body), "needs JavaScript") {
		t.Fatal("a visitor from elsewhere is asked for a proof on the page")
	}
}

func TestANewcomerWithoutAProofUsesUpNoInvite(t *testing.T) {
	book := newInviteBook("spring", "K7QF-2M4X-9TRA")
	s := newStack(t, withProofs, withIdentity(book))
	s.open(liveSale("spring", func(o *sale.Sale) {
		working(sale.ProofAlways)(o)
		o.Identity.InviteOnly = true
	}))
	body := func(proof string) string { return `{"invite":"K7QF-2M4X-9TRA","proof":` + strconv.Quote(proof) + `}` }
	for _, bad := range []string{"", "x"} {
		if got := s.do("POST", springTickets, nil, body(bad)); got.StatusCode != 403 || len(book.used) != 0 {
			t.Fatalf("%s; used: %v", got.body, book.used)
		}
	}
	c := s.expect(200, "", "GET", springChallenge, nil, "").challenge(t)
	s.expect(201, "", "POST", springTickets, nil, body(solved(t, c)))
}

func TestACustomerWhoHasAPlaceFindsItWithoutAProof(t *testing.T) {
	s := newStack(t, withProofs, withIdentity(nil))
	s.open(liveSale("spring", func(o *sale.Sale) {
		forCustomers(sale.JoinTokenRequired)(o)
		o.Bots.Proof = sale.ProofAlways
	}))
	token := joinToken(t, "spring", "ada", time.Minute)
	c := s.expect(403, problem.ProofRequired, "POST", springTickets, nil, tokenBody(token)).challenge(t)
	body := `{"join_token":` + strconv.Quote(token) + `,"proof":` + strconv.Quote(solved(t, c)) + `}`
	first := s.expect(201, "", "POST", springTickets, nil, body)
	again := s.expect(200, "", "POST", springTickets, forwardedFor("198.51.100.7"), tokenBody(token))
	if first.text(t, "ticket") != again.text(t, "ticket") {
		t.Fatal("another place")
	}
}

// The page of a newcomer: it brings the challenge, and its form brings the solution with whatever is in its address.
func TestThePageWorksForAPlace(t *testing.T) {
	s := newStack(t, withProofs)
	s.open(liveSale("spring", working(sale.ProofAlways)))
	s.admittedBy(t)
	visitor := s.browser()
	page := s.visit(visitor, "GET", "/sales/spring?variant=42&items=SNKR-42")
	challenge := pageChallenge(t, page)
	if !strings.Contains(string(page.body), "This sale needs JavaScript") || !strings.Contains(page.Header.Get("Content-Security-Policy"), "worker-src 'self'") {
		t.Fatalf("%v %s", page.Header, page.body)
	}
	got := s.post(t, visitor, "/sales/spring?variant=42&items=SNKR-42", solved(t, challenge))
	if got.StatusCode != 303 || got.Header.Get("Location") != "/sales/spring?variant=42&items=SNKR-42" {
		t.Fatalf("%d %v %s", got.StatusCode, got.Header, got.body)
	}
	line := s.visit(visitor, "GET", "/sales/spring?variant=42&items=SNKR-42")
	if !strings.Contains(string(line.body), `id="ahead"`) || !strings.Contains(string(line.body), `data-sku="SNKR-42"`) {
		t.Fatalf("%s", line.body)
	}
	// The same once more, in another browser.
	thief := s.browser()
	s.visit(thief, "GET", "/sales/spring")
	pageChallenge(t, s.post(t, thief, "/sales/spring", solved(t, challenge)))
}

func TestABrowserWithoutCookiesIsToldAlsoWhereAProofIsAsked(t *testing.T) {
	s := newStack(t, withProofs)
	entry := s.open(liveSale("spring", working(sale.ProofAlways)))
	s.admittedBy(t)
	before := entry.Room().Snapshot().Entrants
	challenge := pageChallenge(t, s.visit(forgetful(), "GET", "/sales/spring"))
	got := s.post(t, forgetful(), "/sales/spring", solved(t, challenge))
	if got.StatusCode != 303 {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	told := s.visit(forgetful(), "GET", got.Header.Get("Location"))
	if !strings.Contains(string(told.body), "Your browser blocks cookies") || entry.Room().Snapshot().Entrants != before {
		t.Fatalf("%s", told.body)
	}
}

var challengeInPage = regexp.MustCompile(`data-challenge="([^"]*)"`)

func pageChallenge(t testing.TB, page answer) (c proof.Challenge) {
	t.Helper()
	found := challengeInPage.FindSubmatch(page.body)
	if page.StatusCode != 200 || found == nil {
		t.Fatalf("%d %s", page.StatusCode, page.body)
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(string(found[1]))), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// admittedBy takes the one slot, with an API key.
func (s *stack) admittedBy(t testing.TB) {
	t.Helper()
	s.expect(201, "", "POST", springTickets, header{"Authorization": "Bearer " + s.shopKey}, "")
}

// post sends the page's form.
func (s *stack) post(t testing.TB, visitor *http.Client, path, solution string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(url.Values{"proof": {solution}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := visitor.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := answer{Response: response, body: readAll(t, response)}
	conforms(t, request, got)
	return got
}
