package console

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/bots"
)

func TestTheReportSaysHowManyWerePeopleAndByWhichRuleOthersWereTurnedAway(t *testing.T) {
	s := newStage(t)
	s.newSale("spring", -time.Minute)
	err := s.ledger.AddNewcomers(t.Context(), []bots.Count{
		{Sale: "spring", Outcome: bots.Joined, N: 1200},
		{Sale: "spring", Rule: bots.Datacentre, Outcome: bots.Noted, N: 7},
		{Sale: "spring", Rule: bots.JoinsPerAddress, Outcome: bots.Blocked, N: 9880},
		{Sale: "spring", Rule: bots.WrongProof, Outcome: bots.Decoyed, N: 5},
		{Sale: "spring", Rule: bots.WrongProof, Outcome: bots.WouldDecoy, N: 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := string(s.do("GET", "/admin/v1/sales/spring/bots", s.key(auth.Viewer), "").body)
	want := `{"people":1200,"likely_bots":12,"blocked":9880,"rules":[{"rule":"datacentre","outcome":"noted","count":7},{"rule":"joins_per_address","outcome":"blocked","count":9880},{"rule":"wrong_proof","outcome":"decoyed","count":5},{"rule":"wrong_proof","outcome":"would_decoy","count":3}]}`
	if strings.TrimSpace(got) != want {
		t.Fatal(got)
	}
	page := string(s.signedIn(auth.Viewer).get("/sales/spring").body)
	for _, want := range []string{"People and bots", groupDigits(1200), groupDigits(9880), "From a data centre", "turned away", "got a decoy", "would have got a decoy"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the sale does not say %q", want)
		}
	}
}
