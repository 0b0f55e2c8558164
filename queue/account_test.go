package queue

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv/drand"
)

// noon is when the lines of these tests begin, in ms.
var noon = epoch.UnixMilli()

func accountOf(records ...[]byte) Account {
	a := NewAccounting("drop", noon)
	for _, rec := range records {
		a.Add(rec)
	}
	return a.Account()
}

func limitsFrom(atMillis int64, rate, most int64, mode sale.Mode) []byte {
	limits := keptLimits{AtMillis: atMillis, RatePerMinute: rate, MaxActive: most, Mode: mode}
	return append(record(kindFact, 1), compact(keptFact{Limits: &limits})...)
}

func calledAt(upto uint64, atMillis int64) []byte {
	return recordCalled(Number(upto).Lane(), Number(upto).inLane(), 1, 2, atMillis)
}

// admittedAt is a pass of ten minutes.
func admittedAt(n Number, atMillis int64) []byte {
	return recordClaim(n, atMillis/1000, atMillis/1000+600, atMillis)
}

// TestAnAccountTellsTheCourseOfALine has a line with a draw run as it does in production, and compares what the
// journal tells afterwards with what was seen.
func TestAnAccountTellsTheCourseOfALine(t *testing.T) {
	c, client := newClock(t)
	b := drand.New(t, "chain")
	rec := aDraw(c, sale.DrawTerms{Beacon: b.Terms(c.now.Add(-time.Hour), 10*time.Second), Wait: sale.Duration(30 * time.Second), IfMissing: sale.WaitOn})
	j := &memoryJournal{}
	r := openRoom(t, client, rec, j)
	tickets := join(t, r, 40)
	advance(t, r, plenty)
	c.forward(time.Minute)
	tickets = append(tickets, join(t, r, 5)...) // freezes the count
	c.forward(time.Second)
	advance(t, r, plenty)
	c.forward(20 * time.Second)
	refresh(t, r)
	giveBeacon(t, r, b)
	for range 40 {
		c.forward(500 * time.Millisecond)
		advance(t, r, plenty)
	}
	seen := map[Number]int64{}
	for _, ticket := range tickets[:30] {
		c.forward(100 * time.Millisecond)
		if _, _, _, err := r.Claim(context.Background(), ticket); err != nil {
			t.Fatal(err)
		}
		seen[ticket.Number] = c.now.UnixMilli()
	}
	facts := refresh(t, r).DrawFacts

	reading := NewAccounting("drop", rec.StartsAt.UnixMilli())
	for _, record := range append(slices.Clone(j.records), []byte("r of another stage")) {
		reading.Add(record)
	}
	a := reading.Account()
	if a.Entrants != 45 || a.Called != 45 || a.Admitted != 30 || a.Inversions != 0 || a.TwoPasses != 0 || a.Unread != 0 || a.CallsUntimed != 0 {
		t.Fatalf("%+v", a)
	}
	if !a.Drawn || a.Draw.CompletedSeed != facts.CompletedSeed || a.Draw.Commitment != facts.Commitment || *a.Draw.Count != 40 ||
		!a.Draw.PublishedAt.Equal(facts.PublishedAt) || !a.Draw.FrozenAt.Equal(facts.FrozenAt) || *a.Draw.Beacon != *facts.Beacon {
		t.Fatalf("the draw is %+v, and was published as %+v", a.Draw, facts)
	}
	for _, one := range a.Admissions {
		if seen[one.Number] != one.AtMillis {
			t.Errorf("ticket %d was admitted at %d, not at %d", one.Number, seen[one.Number], one.AtMillis)
		}
	}
	if a.Minute.Most != 30 || a.Minute.Over != 0 || a.Minute.Limit != 600 || a.Active.Most != 30 || a.Minute.Unlimited != 0 {
		t.Fatalf("minute %+v, active %+v", a.Minute, a.Active)
	}
}

func TestAnInversionIsFound(t *testing.T) {
	limits := limitsFrom(noon, 600, 500, sale.Queue)
	for name, c := range map[string]struct {
		records [][]byte
		want    int64
	}{
		"in order":                       {[][]byte{limits, calledAt(2, noon+10), admittedAt(2, noon+11), admittedAt(1, noon+12)}, 0},
		"never called":                   {[][]byte{limits, calledAt(2, noon+10), admittedAt(3, noon+11)}, 1},
		"called afterwards":              {[][]byte{limits, admittedAt(1, noon+11), calledAt(1, noon+12)}, 1},
		"journaled first, called later":  {[][]byte{limits, calledAt(1, noon+12), admittedAt(1, noon+11)}, 1},
		"the gate was open":              {[][]byte{limitsFrom(noon, 600, 500, sale.Open), admittedAt(7, noon+11)}, 0},
		"open, as is journaled later":    {[][]byte{limits, admittedAt(7, noon+11), limitsFrom(noon+5, 600, 500, sale.Open)}, 0},
		"open until a while before":      {[][]byte{limitsFrom(noon, 600, 500, sale.Open), limitsFrom(noon+5, 600, 500, sale.Queue), admittedAt(7, noon+11)}, 1},
		"the watermarks of two nodes":    {[][]byte{limits, calledAt(3, noon+20), calledAt(2, noon+10), admittedAt(2, noon+11), admittedAt(3, noon+20)}, 0},
		"restored, with the state alone": {[][]byte{limits, recordState(0, 9, 4, 2, 5, 6), calledAt(4, noon+1), admittedAt(3, noon+2)}, 0},
	} {
		if got := accountOf(c.records...); got.Inversions != c.want {
			t.Errorf("%s: %d inversions, want %d", name, got.Inversions, c.want)
		}
	}
}

func TestARecordThatCannotBeReadIsCounted(t *testing.T) {
	a := accountOf(calledAt(1, noon), []byte{recordTag, recordVersion, '?', 1}, []byte{recordTag, recordVersion + 1, kindCalled, 1, 1, 1},
		calledAt(2, noon)[:4], record(kindCalled, 3, 1, 2), nil, []byte("x"))
	if a.Records != 5 || a.Unread != 3 || a.CallsUntimed != 1 {
		t.Fatalf("%+v", a)
	}
}

func TestWhoHadTwoPlacesOrPassesIsFound(t *testing.T) {
	key := PlaceKey{1, 2, 3}
	keyed := func(n Number, issued int64) []byte {
		return recordKeyed(key, keptPlace{number: n, epoch: 1, issuedMillis: issued})
	}
	again := recordClaim(4, noon/1000+60, noon/1000+660, noon+60_000)
	for name, c := range map[string]struct {
		records                         [][]byte
		places, duplicates, twicePasses int64
	}{
		"once":                         {[][]byte{keyed(4, noon), keyed(4, noon)}, 1, 0, 0},
		"beside one that waits":        {[][]byte{keyed(4, noon), keyed(5, noon+9)}, 2, 1, 0},
		"after leaving":                {[][]byte{keyed(4, noon), recordLeave(4), keyed(5, noon+9)}, 2, 0, 0},
		"after a turn that was missed": {[][]byte{keyed(4, noon), calledAt(4, noon+1), keyed(5, noon+9)}, 2, 0, 0},
		"beside a pass in force":       {[][]byte{keyed(4, noon), calledAt(4, noon+1), admittedAt(4, noon+2), keyed(5, noon+9)}, 2, 1, 0},
		"after a pass given back":      {[][]byte{keyed(4, noon), calledAt(4, noon+1), admittedAt(4, noon+2), recordRelease(4), keyed(5, noon+9)}, 2, 0, 0},
		"after a pass that ended":      {[][]byte{keyed(4, noon), calledAt(4, noon+1), admittedAt(4, noon+2), keyed(5, noon+700_000)}, 2, 0, 0},
		"a pass journaled again":       {[][]byte{keyed(4, noon), calledAt(4, noon+1), admittedAt(4, noon+2), admittedAt(4, noon+2)}, 1, 0, 0},
		"two passes":                   {[][]byte{keyed(4, noon), calledAt(4, noon+1), admittedAt(4, noon+2), again}, 1, 0, 1},
	} {
		if a := accountOf(c.records...); a.Keys != 1 || a.KeyPlaces != c.places || a.KeyDuplicates != c.duplicates || a.TwoPasses != c.twicePasses {
			t.Errorf("%s: %d places, %d duplicates, %d with two passes", name, a.KeyPlaces, a.KeyDuplicates, a.TwoPasses)
		}
	}
}

// TestEveryRollingMinuteIsCountedToTheMillisecond compares with counting each interval by itself.
func TestEveryRollingMinuteIsCountedToTheMillisecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Int64Range(0, rollingReach-1), 1, 60).Draw(t, "times")
		ttl := rapid.Int64Range(1, 200).Draw(t, "seconds")
		second := rapid.Int64Range(1, rollingReach).Draw(t, "changed at")
		rates := []int64{rapid.Int64Range(1, 20).Draw(t, "rate"), rapid.Int64Range(1, 20).Draw(t, "later rate")}
		records := [][]byte{limitsFrom(noon, rates[0], 1000, sale.Queue), limitsFrom(noon+second, rates[1], 1000, sale.Queue), calledAt(1000, noon)}
		for i, at := range times {
			records = append(records, recordClaim(Number(i+1), 1, (noon+at)/1000+ttl, noon+at))
		}
		var most, over, active int64
		for _, end := range times {
			var inside, live int64
			for _, at := range times {
				if at <= end && end-at <= 60_000 {
					inside++
				}
				if at <= end && (noon+at)/1000+ttl > (noon+end)/1000 {
					live++
				}
			}
			limit := rates[0]
			if end > second || end == second && rates[1] > limit {
				limit = rates[1]
			}
			most, over, active = max(most, inside), max(over, inside-limit), max(active, live)
		}
		a := accountOf(records...)
		if a.Minute.Most != most || a.Minute.Over != over || a.Active.Most != active || a.Late != 0 || a.Inversions != 0 {
			t.Fatalf("minute %+v, want %d and %d over; active %+v, want %d", a.Minute, most, over, a.Active, active)
		}
	})
}

func TestAdmissionsOfAnOpenGateDoNotWeighOnTheRate(t *testing.T) {
	a := accountOf(limitsFrom(noon, 2, 2, sale.Open), admittedAt(1, noon+1), admittedAt(2, noon+2), admittedAt(3, noon+3),
		limitsFrom(noon+10, 2, 4, sale.Queue), calledAt(9, noon+10), admittedAt(4, noon+11))
	if a.Minute.Most != 1 || a.Minute.Over != 0 || a.Active.Most != 4 || a.Active.Over != 0 || a.Inversions != 0 {
		t.Fatalf("%+v", a)
	}
}

func TestALimitThatIsNotKnownIsNotTakenForKept(t *testing.T) {
	if a := accountOf(calledAt(9, noon), admittedAt(1, noon+1)); a.Minute.Unlimited != 1 || a.Active.Unlimited != 1 {
		t.Fatalf("%+v", a)
	}
	late := accountOf(limitsFrom(noon, 5, 5, sale.Queue), calledAt(9, noon), admittedAt(1, noon+1), admittedAt(2, noon+15*60_000), admittedAt(3, noon+2))
	if late.Late != 1 || late.Admitted != 3 {
		t.Fatalf("an admission that came too late for the order: %+v", late)
	}
}

// TestALongLineIsReadInBoundedMemory reads the journal of a line of ten million with 300,000 admissions.
func TestALongLineIsReadInBoundedMemory(t *testing.T) {
	const entrants, admitted = 10_000_000, 300_000
	a := NewAccounting("drop", noon)
	a.Add(limitsFrom(noon, 60_000, 1_000_000, sale.Queue))
	a.Add(recordMark(0, entrants))
	a.Add(recordGiven(0, 0, entrants))
	numbers := rand.New(rand.NewPCG(1, 2))
	a.Add(recordDraw(hex.EncodeToString(make([]byte, seedBytes)), true, entrants))
	for i := range int64(admitted) {
		if i%100 == 0 {
			a.Add(calledAt(entrants, noon+i))
		}
		a.Add(admittedAt(Number(numbers.IntN(entrants)+1), noon+2*i))
	}
	if pending := len(a.rolling.pending) + len(a.rolling.expires) + len(a.rolling.window); pending > 3*rollingReach {
		t.Fatalf("%d entries are kept", pending)
	}
	account := a.Account()
	if account.Entrants != entrants || account.Admissions != nil || account.Admitted < admitted*9/10 || account.Admitted > admitted ||
		account.Minute.Most < 25_000 || account.Minute.Most > 30_001 || account.Inversions != 0 || len(a.admitted) > entrants/8*5/4+1 {
		t.Fatalf("%d entrants, %d admitted, minute %+v", account.Entrants, account.Admitted, account.Minute)
	}
}

func TestEachLaneIsCalledInItsOwnOrder(t *testing.T) {
	lane := uint64(numberIn(3, 0))
	limits := limitsFrom(noon, 600, 500, sale.Queue)
	in := accountOf(limits, calledAt(2, noon+1), calledAt(lane+1, noon+2), admittedAt(2, noon+3), admittedAt(Number(lane+1), noon+4))
	if in.Inversions != 0 || in.Called != 3 || in.Entrants != 3 || len(in.Calls) != 2 || in.Calls[1] != (Call{AtMillis: noon + 2, Lane: 3, Upto: 1}) {
		t.Fatalf("%+v", in)
	}
	if got, number := in.Admissions[1].InLane(); got != 3 || number != 1 {
		t.Fatalf("%+v", in.Admissions)
	}
	if out := accountOf(limits, calledAt(9, noon+1), admittedAt(Number(lane+1), noon+3)); out.Inversions != 1 {
		t.Fatalf("a place of one lane is taken for called with that of another: %+v", out)
	}
}
