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
	})
	if err != nil {
		t.Fatal(err)
	}
	got := string(s.do("GET", "/admin/v1/sales/spring/bots", s.key(auth.Viewer), "").body)
	want := `{"people":1200,"likely_bots":7,"blocked":9880,"rules":[{"rule":"datacentre","outcome":"noted","count":7},{"rule":"joins_per_address","outcome":"blocked","count":9880}]}`
	if strings.TrimSpace(got) != want {
		t.Fatal(got)
	}
	page := string(s.signedIn(auth.Viewer).get("/sales/spring").body)
	for _, want := range []string{"People and bots", groupDigits(1200), groupDigits(9880), "From a data centre", "turned away"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the sale does not say %q", want)
		}
	}
}
