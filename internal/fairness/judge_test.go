package fairness

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

var start = time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)

// A round of drand's public chain quicknet.
const (
	chain = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
	key   = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451" +
		"0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
	signature = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
	share     = "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
)

// sound is what is known of a sale in which everything holds, with a beacon.
func sound() Evidence {
	count := uint64(40)
	return Evidence{
		Record: sale.Record{Epoch: 1, Sale: sale.Sale{
			ID: "drop", Name: "Drop", OpensAt: start.Add(-time.Hour), StartsAt: start, EndsAt: start.Add(time.Hour),
			Admission: sale.Admission{Order: sale.Draw, Mode: sale.Queue, RatePerMinute: 600, MaxActive: 50},
		}},
		Account: queue.Account{
			Records: 100, Drawn: true, Entrants: 45, Called: 45, Admitted: 30,
			Draw: &queue.DrawFacts{
				Commitment: "c", Seed: "s", CompletedSeed: "s2", Count: &count, FrozenAt: start, PublishedAt: start.Add(time.Second),
				Beacon: &queue.BeaconFacts{ChainHash: chain, PublicKey: key, Round: 1000, RoundAt: start.Add(10 * time.Second), Signature: signature},
			},
			Minute: queue.Peak{Most: 30, Limit: 600}, Active: queue.Peak{Most: 60, Limit: 50, Over: 10},
			Limits: []queue.Limits{{AtMillis: 1, RatePerMinute: 600, MaxActive: 50, Mode: sale.Queue}},
			Calls:  []queue.Call{{AtMillis: 5, Upto: 45}}, Admissions: []queue.Admission{{AtMillis: 6, Number: 3}},
			Keys: 7, KeyPlaces: 9,
		},
		Room: queue.RoomStats{
			Ready: true, Epoch: 1, Entrants: 45, Called: 45, Claimed: 30, PeakActive: 30, MaxActiveLimit: 50,
			Drawn: true, DrawCount: 40, DrawCommitment: "c",
		},
		JournalFrom: start.Add(-40 * time.Hour), MadeAt: start.Add(2 * time.Hour),
	}
}

func verdictOf(t *testing.T, r Report, name string) Verdict {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c.Verdict
		}
	}
	t.Fatalf("nothing is said of %s: %+v", name, r.Checks)
	return ""
}

func TestASoundSaleHoldsAndSaysWhomNobodyNeedsToTrust(t *testing.T) {
	r := Judge(sound())
	if r.Verdict != Holds || !r.OK() || r.Trust.Kind != TrustBeacon || r.Format != Format {
		t.Fatalf("%+v", r)
	}
	if r.Line != (Line{Joined: 45, Called: 45, Admitted: 30}) || *r.Active.Counted != 30 || r.Keys != (Keys{Count: 7, Places: 9}) || r.Bots != nil {
		t.Fatalf("%+v", r)
	}
	body, err := json.Marshal(&r)
	if err != nil || !strings.Contains(string(body), `"calls":[[5,45]],"admissions":[[6,3]]`) || !strings.Contains(string(body), `"bots":null`) {
		t.Fatalf("%s %v", body, err)
	}
}

func TestWhatDoesNotHoldOrIsNotKnownIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Evidence)
		check  string
		want   Verdict
	}{
		"an inversion":                  {func(e *Evidence) { e.Account.Inversions = 1 }, "called_in_order", Broken},
		"calls without a time":          {func(e *Evidence) { e.Account.CallsUntimed = 1 }, "called_in_order", Unknown},
		"above the rate":                {func(e *Evidence) { e.Account.Minute.Over = 1 }, "admissions_within_rate", Broken},
		"the rate is not known":         {func(e *Evidence) { e.Account.Minute.Unlimited = 1 }, "admissions_within_rate", Unknown},
		"above the cap":                 {func(e *Evidence) { e.Room.PeakActive = 51 }, "passes_within_cap", Broken},
		"the count was lost with redis": {func(e *Evidence) { e.Room.Epoch = 2 }, "passes_within_cap", Unknown},
		"lost, but never so many":       {func(e *Evidence) { e.Room.Epoch = 2; e.Account.Active.Over = 0 }, "passes_within_cap", Holds},
		"two places by a key":           {func(e *Evidence) { e.Account.KeyDuplicates = 1 }, "one_place_a_key", Broken},
		"two passes of a ticket":        {func(e *Evidence) { e.Account.TwoPasses = 1 }, "one_pass_a_ticket", Broken},
		"another seed than committed":   {func(e *Evidence) { e.Room.DrawCommitment = "d" }, "seed_as_committed", Broken},
		"another count than published":  {func(e *Evidence) { e.Room.DrawCount = 41 }, "seed_as_committed", Broken},
		"another count in a lane": {func(e *Evidence) {
			e.Account.Draw.Lanes, e.Room.DrawLanes = []uint64{30, 10}, []uint64{29, 11}
		}, "seed_as_committed", Broken},
		"a lane that the journal does not count": {func(e *Evidence) { e.Record.Admission.Lanes = []sale.Lane{{Name: "vip"}} }, "seed_as_committed", Unknown},
		"counted after the round":                {func(e *Evidence) { e.Account.Draw.PublishedAt = start.Add(10 * time.Second) }, "count_published_first", Broken},
		"published before it was frozen":         {func(e *Evidence) { e.Account.Draw.PublishedAt = start.Add(-1) }, "count_published_first", Broken},
		"nobody knows when it was":               {func(e *Evidence) { e.Account.Draw.PublishedAt = time.Time{} }, "count_published_first", Unknown},
		"another signature":                      {func(e *Evidence) { e.Account.Draw.Beacon.Round++ }, "nobody_could_choose_places", Broken},
		"the beacon was missing":                 {func(e *Evidence) { e.Account.Draw.Beacon.Missing = true }, "nobody_could_choose_places", Unknown},
		"the operator alone":                     {func(e *Evidence) { e.Account.Draw.Beacon = nil }, "nobody_could_choose_places", Unknown},
		"no draw, and people were admitted":      {func(e *Evidence) { e.Account.Draw, e.Account.Drawn = nil, false }, "seed_as_committed", Unknown},
		"older than the journal":                 {func(e *Evidence) { e.JournalFrom = start }, "journal_complete", Unknown},
		"admissions are missing":                 {func(e *Evidence) { e.Account.Admitted = 29 }, "journal_complete", Unknown},
		"calls are missing":                      {func(e *Evidence) { e.Account.Called = 44 }, "journal_complete", Unknown},
		"redis is gone":                          {func(e *Evidence) { e.Room = queue.RoomStats{} }, "journal_complete", Unknown},
		"a later version's records":              {func(e *Evidence) { e.Account.Unread = 1 }, "journal_complete", Unknown},
		"admissions out of order":                {func(e *Evidence) { e.Account.Late = 1 }, "journal_complete", Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			e := sound()
			c.change(&e)
			r := Judge(e)
			if got := verdictOf(t, r, c.check); got != c.want {
				t.Errorf("%s is %s: %+v", c.check, got, r.Checks)
			}
			if c.want != Holds && r.Verdict != c.want {
				t.Errorf("the verdict is %s", r.Verdict)
			}
		})
	}
}

func TestNothingHoldsOfAJournalThatWasShortened(t *testing.T) {
	e := sound()
	e.JournalFrom = start
	for _, c := range Judge(e).Checks {
		if c.Verdict == Holds && c.Name != "passes_within_cap" && c.Name != "nobody_could_choose_places" {
			t.Errorf("%s: %s", c.Name, c.Verdict)
		}
	}
	e.Account.Inversions = 1 // what is seen to be wrong is wrong
	if r := Judge(e); r.Verdict != Broken {
		t.Errorf("the verdict is %s", r.Verdict)
	}
}

func TestTheReportSaysWhomOneHasToTrust(t *testing.T) {
	fits := queue.ShareFacts{Share: sale.Share{Party: "brand", Commitment: queue.Commitment(unhex(share))}, Value: share}
	gone := queue.ShareFacts{Share: sale.Share{Party: "shop", Commitment: queue.Commitment(nil)}, Missing: true}
	for name, c := range map[string]struct {
		change func(*Evidence)
		want   TrustKind
		says   string
	}{
		"a beacon":       {func(*Evidence) {}, TrustBeacon, "nobody at the shop or the operator"},
		"a share":        {func(e *Evidence) { e.Account.Draw.Beacon, e.Account.Draw.Shares = nil, []queue.ShareFacts{fits, gone} }, TrustParties, "values of brand,"},
		"no share came":  {func(e *Evidence) { e.Account.Draw.Beacon, e.Account.Draw.Shares = nil, []queue.ShareFacts{gone} }, TrustOperator, "did not come in time"},
		"nothing else":   {func(e *Evidence) { e.Account.Draw.Beacon = nil }, TrustOperator, "You have to trust the operator"},
		"no draw at all": {func(e *Evidence) { e.Record.Admission.Order = sale.FIFO }, TrustArrival, "rests on the operator"},
	} {
		e := sound()
		c.change(&e)
		if r := Judge(e); r.Trust.Kind != c.want || !strings.Contains(r.Trust.Detail, c.says) {
			t.Errorf("%s: %+v", name, r.Trust)
		}
	}
}

func TestTheReportIsReadable(t *testing.T) {
	e := sound()
	e.Account.Inversions = 2
	r := Judge(e)
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"joined 45  called 45  admitted 30  inversions 2", "not recorded", "most in any 60 s: 30 of 600", signature, "broken  called_in_order", "BROKEN:"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	e = sound()
	e.Bots, e.Account.Draw.Beacon = &Bots{Removed: 12}, nil
	r = Judge(e)
	text.Reset()
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "bots removed: 12") || !strings.Contains(text.String(), "NOT KNOWN") {
		t.Errorf("%v\n%s", err, text.String())
	}
}

func unhex(text string) []byte {
	b, _ := hex.DecodeString(text)
	return b
}

func TestBotsAreThoseThatWereRecorded(t *testing.T) {
	if BotsOf(nil) != nil {
		t.Fatal("nothing was recorded, and it is taken for none")
	}
	got := BotsOf([]bots.Count{
		{Outcome: bots.Joined, N: 9}, {Rule: bots.JoinsPerAddress, Outcome: bots.Blocked, N: 2},
		{Rule: bots.JoinsPerAddress, Outcome: bots.Noted, N: 3}, {Rule: bots.JoinsPerAddress, Outcome: bots.Decoyed, N: 4},
		{Rule: bots.JoinsPerAddress, Outcome: bots.WouldDecoy, N: 1}, // of the blocked ones
	})
	if got.People != 9 || got.Removed != 6 || got.Noticed[string(bots.JoinsPerAddress)] != 9 {
		t.Fatalf("%+v", got)
	}
}
