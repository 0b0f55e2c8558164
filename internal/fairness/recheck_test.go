package fairness

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/internal/testenv/drand"
	"github.com/penstock/penstock/queue"
)

func TestMain(m *testing.M) { testenv.Main(m) }

var (
	testSecret = []byte("0123456789abcdef0123456789abcdef")
	ticketKeys = queue.NewTicketKeys(testSecret, nil, nil)
	placeKeys  = queue.NewPlaceKeys(testSecret)
)

// ended is a sale with a draw that was run from the opening to the end.
type ended struct {
	report Report
	beacon *drand.Beacon
	// saved is what a visitor kept of the public document, before the start and when the count was published.
	saved []any
	// tickets are of those who joined, in each lane; the last ones of each came after the start.
	tickets map[queue.Lane][]string
}

// runSale runs a sale with a beacon and the share of a party, on an embedded Redis whose clock the test moves. It has
// the lanes beside that of everybody, with places in each for as many as in that.
func runSale(t *testing.T, order sale.Order, lanes ...sale.Lane) ended {
	mini := testenv.Mini(t)
	now := start
	mini.SetTime(now)
	client := testenv.ConnectRedis(t, "redis://"+mini.Addr())
	forward := func(d time.Duration) { now = now.Add(d); mini.SetTime(now) }
	b := drand.New(t, "chain")
	rec := sale.Record{Version: 1, Epoch: 1, Sale: sale.Sale{
		ID: "drop", Name: "Drop", OpensAt: now.Add(-time.Hour), StartsAt: now.Add(time.Minute), EndsAt: now.Add(time.Hour),
		Admission: sale.Admission{Order: order, Lanes: lanes, RatePerMinute: 600, MaxActive: 500, Mode: sale.Queue, PassTTL: sale.Duration(10 * time.Minute), ClaimWindow: sale.Duration(2 * time.Minute)},
		Items:     []sale.Item{{SKU: "A", Name: "A", Stock: 1000}},
		Draw: sale.DrawTerms{
			Beacon: b.Terms(now.Add(-time.Hour), 10*time.Second), Wait: sale.Duration(30 * time.Second), IfMissing: sale.WaitOn,
			Shares: []sale.Share{{Party: "brand", Commitment: queue.Commitment(unhex(share))}},
		},
	}}
	var mu sync.Mutex
	reading := queue.NewAccounting(rec.ID, rec.StartsAt.UnixMilli())
	journal := func(_ context.Context, _ string, records [][]byte) error {
		mu.Lock()
		defer mu.Unlock()
		for _, record := range records {
			reading.Add(slices.Clone(record))
		}
		return nil
	}
	if err := queue.Arm(t.Context(), client, rec, nil, 1); err != nil {
		t.Fatal(err)
	}
	room := queue.OpenRoom(queue.Deps{
		Redis: client, Tickets: ticketKeys, Passes: queue.NewPassKeys(testSecret, nil, nil), Journal: journal,
	}, rec)
	t.Cleanup(room.Close)
	advance := func() *queue.DrawFacts {
		t.Helper()
		if err := room.Advance(t.Context(), 1, queue.Outside{LevelFactor: 1}); err != nil {
			t.Fatal(err)
		}
		if err := room.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return room.Snapshot().DrawFacts
	}
	var tickets []queue.Ticket
	e := ended{beacon: b, tickets: make(map[queue.Lane][]string)}
	join := func(n int) {
		t.Helper()
		for range n {
			for lane := range queue.Lane(len(lanes) + 1) {
				who := queue.Keyed{Person: placeKeys.Of("person", rec.ID, fmt.Sprint(len(tickets))), Lane: lane}
				ticket, _, err := room.JoinKeyed(t.Context(), who)
				if err != nil {
					t.Fatal(err)
				}
				tickets, e.tickets[lane] = append(tickets, ticket), append(e.tickets[lane], ticketKeys.Sign(ticket))
			}
		}
	}
	if err := room.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	join(60)
	document := map[string]any{"sale": "drop", "draw": nil}
	if len(lanes) > 0 {
		document["lanes"] = lanes // of which the name counts
	}
	keep := func(facts *queue.DrawFacts) {
		saved := maps.Clone(document)
		saved["draw"] = facts
		e.saved = append(e.saved, saved)
	}
	keep(advance())
	forward(time.Minute)
	join(4)
	forward(time.Second)
	keep(advance())
	if order == sale.Draw {
		if err := room.GiveShare(t.Context(), "brand", share); err != nil {
			t.Fatal(err)
		}
		forward(20 * time.Second)
		advance()
		want, _ := room.WantsBeacon()
		if err := room.GiveBeacon(t.Context(), 1, want, b.Sign(want.Round)); err != nil {
			t.Fatal(err)
		}
	}
	for range 60 {
		forward(250 * time.Millisecond)
		advance()
	}
	admitted := 0
	for _, ticket := range tickets {
		if admitted == 50 || room.Look(ticket, sale.PhaseLive, false).State != queue.Called {
			continue
		}
		forward(300 * time.Millisecond)
		if _, _, _, err := room.Claim(t.Context(), ticket); err != nil {
			t.Fatal(err)
		}
		admitted++
	}
	stats, err := queue.Stats(t.Context(), client, rec.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.report = Judge(Evidence{Record: rec, Account: reading.Account(), Room: stats, JournalFrom: now.Add(-47 * time.Hour), MadeAt: now})
	return e
}

// recheck runs the script on a report, and on what was saved before.
func recheck(t *testing.T, report any, saved []any, options ...string) (output string, code int) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node not found in PATH; install it: apt-get install -y nodejs")
	}
	args, dir := []string{"../front/static/recheck.mjs"}, t.TempDir()
	for i, document := range append([]any{report}, saved...) {
		body, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, fmt.Sprintf("%d.json", i))
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	cmd := exec.CommandContext(t.Context(), node, append(args, options...)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestTheScriptFindsThatAReportHolds runs it with and without the beacon, which it cannot check by itself.
func TestTheScriptFindsThatAReportHolds(t *testing.T) {
	e := runSale(t, sale.Draw)
	if e.report.Verdict != Holds {
		t.Fatalf("%+v", e.report.Checks)
	}
	draw := queue.NewDraw(unhex(e.report.Draw.CompletedSeed), 0, *e.report.Draw.Count)
	for _, n := range []queue.Number{1, 23, 60, 61} {
		out, code := recheck(t, e.report, e.saved, "beacon="+e.beacon.URL, fmt.Sprintf("ticket=%d", n))
		if code != 0 || strings.Contains(out, "NOT CHECKED ") || !strings.Contains(out, fmt.Sprintf("ticket %d had place %d,", n, draw.Place(n))) {
			t.Fatalf("exit %d\n%s", code, out)
		}
	}
	if out, code := recheck(t, e.report, nil); code != 2 || !strings.Contains(out, e.report.Draw.Beacon.Signature) {
		t.Fatalf("without the beacon: exit %d\n%s", code, out)
	}
	operator := e.report
	facts := *e.report.Draw
	facts.Beacon, facts.Shares, facts.CompletedSeed = nil, nil, facts.Seed
	operator.Draw, operator.Admissions, operator.Minute.Most = &facts, nil, 0
	if out, code := recheck(t, operator, nil); code != 2 || !strings.Contains(out, "you have to trust the operator") {
		t.Fatalf("of the operator alone: exit %d\n%s", code, out)
	}
}

// TestAReportOfASaleWithoutLanesIsWhatItWas reads a report, and what was kept of the public document, as they were
// published before there were draws in lanes.
func TestAReportOfASaleWithoutLanesIsWhatItWas(t *testing.T) {
	var files []any
	for i, name := range []string{"report", "before", "counted"} {
		body, err := os.ReadFile("testdata/without-lanes/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, json.RawMessage(body))
		var r Report
		if i > 0 {
			continue
		}
		if err := json.Unmarshal(body, &r); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(&r); err != nil || string(again)+"\n" != string(body) {
			t.Fatalf("it is published as\n%s, %v", again, err)
		}
	}
	out, code := recheck(t, files[0], files[1:], "ticket=7")
	if code != 2 || strings.Count(out, "NOT CHECKED  is the signature") != 1 || !strings.Contains(out, "0 WRONG, 1 NOT CHECKED") || !strings.Contains(out, "ticket 7 had place 11, called 2026-12-01T10:01:21.500Z") {
		t.Fatalf("exit %d\n%s", code, out)
	}
}

// TestTheScriptFindsABiasThatWasPlanted changes a report as somebody would who wants a place, both clumsily and so
// that all of it fits together again.
func TestTheScriptFindsABiasThatWasPlanted(t *testing.T) {
	e := runSale(t, sale.Draw)
	other := drand.New(t, "other")
	for name, plant := range map[string]func(*Report){
		"another seed": func(r *Report) { r.Draw.Seed = share },
		"another seed, with its commitment": func(r *Report) {
			r.Draw.Seed, r.Draw.Commitment = share, queue.Commitment(unhex(share))
			refit(r)
		},
		"an entrant after the freeze":          func(r *Report) { *r.Draw.Count++ },
		"an entrant, and what follows from it": func(r *Report) { *r.Draw.Count++; refit(r) },
		"an entrant less":                      func(r *Report) { *r.Draw.Count--; refit(r) },
		"another completed seed":               func(r *Report) { r.Draw.CompletedSeed = share },
		"another signature":                    func(r *Report) { r.Draw.Beacon.Signature = other.Sign(r.Draw.Beacon.Round); refit(r) },
		"another beacon":                       func(r *Report) { r.Draw.Beacon.ChainHash = strings.Repeat("ab", 32); refit(r) },
		"another round": func(r *Report) {
			r.Draw.Beacon.Round++
			r.Draw.Beacon.Signature = e.beacon.Sign(r.Draw.Beacon.Round)
			refit(r)
		},
		"another share": func(r *Report) { r.Draw.Shares[0].Value = r.Draw.Seed; refit(r) },
		"another share, and its commitment": func(r *Report) {
			r.Draw.Shares[0].Value = r.Draw.Seed
			r.Draw.Shares[0].Commitment = r.Draw.Commitment
			refit(r)
		},
		"the count published after the round":  func(r *Report) { r.Draw.PublishedAt = r.Draw.Beacon.RoundAt.Add(time.Millisecond) },
		"somebody let in before the call":      func(r *Report) { r.Admissions[0][0] = r.Calls[0][0] - 1 },
		"somebody let in who was never called": func(r *Report) { r.Admissions[9][1] = 4000 },
		"somebody let in twice":                func(r *Report) { r.Admissions[9][1] = r.Admissions[8][1] },
		"a call out of order":                  func(r *Report) { r.Calls[0], r.Calls[1] = r.Calls[1], r.Calls[0] },
		"a call that was late": func(r *Report) {
			r.Calls = r.Calls[len(r.Calls)-1:]
			r.Calls[0][0] = r.Admissions[len(r.Admissions)-1][0]
		},
		"a lower rate than was said":                func(r *Report) { r.Limits[0].RatePerMinute = 49 },
		"fewer in the fullest minute than were":     func(r *Report) { r.Minute.Most-- },
		"an inversion that the report itself tells": func(r *Report) { r.Line.Inversions = 1 },
		"a check that does not hold":                func(r *Report) { r.Checks[0].Verdict = Broken },
	} {
		t.Run(name, func(t *testing.T) {
			r := cloned(t, e.report)
			plant(&r)
			if out, code := recheck(t, r, e.saved, "beacon="+e.beacon.URL); code != 1 || !regexp.MustCompile(`(?m)^WRONG `).MatchString(out) {
				t.Errorf("not found: exit %d\n%s", code, out)
			}
		})
	}
}

// TestTheScriptChecksEachLane runs it on sales with two priority lanes, in the order of arrival and with a draw, and on
// reports that somebody has changed who wants a place in one of them.
func TestTheScriptChecksEachLane(t *testing.T) {
	lanes := []sale.Lane{{Name: "vip", Share: 0.3}, {Name: "members", Share: 0.2}}
	for _, order := range []sale.Order{sale.FIFO, sale.Draw} {
		e := runSale(t, order, lanes...)
		if e.report.Verdict != Holds || !slices.Equal(e.report.Lanes, []string{"vip", "members"}) {
			t.Fatalf("%s: %+v", order, e.report.Checks)
		}
		options := []string{"beacon=" + e.beacon.URL}
		for lane, tickets := range e.tickets {
			at := fmt.Sprintf("ticket %d", len(tickets)-4)
			if lane > 0 {
				at += " of lane " + lanes[lane-1].Name
			}
			place := len(tickets) - 4
			if order == sale.Draw {
				counts := e.report.Draw.Lanes
				place = int(queue.NewDraw(unhex(e.report.Draw.CompletedSeed), lane, counts[lane]).Place(queue.Number(place)))
			}
			out, code := recheck(t, e.report, e.saved, append(options, "ticket="+tickets[len(tickets)-5])...)
			if want := fmt.Sprintf("%s had place %d,", at, place); code != 0 || strings.Contains(out, "NOT CHECKED ") || !strings.Contains(out, want) {
				t.Fatalf("%s: exit %d, without %q\n%s", order, code, want, out)
			}
		}
		for name, plant := range laneBiases(e.report) {
			t.Run(string(order)+": "+name, func(t *testing.T) {
				r := cloned(t, e.report)
				plant(&r)
				if out, code := recheck(t, r, e.saved, options...); code != 1 || !regexp.MustCompile(`(?m)^WRONG `).MatchString(out) {
					t.Errorf("not found: exit %d\n%s", code, out)
				}
			})
		}
	}
}

// laneBiases are changes of a report of a sale with two priority lanes.
func laneBiases(r Report) map[string]func(*Report) {
	inLane := func(list [][]int64, lane int64) []int64 {
		return list[slices.IndexFunc(list, func(one []int64) bool { return len(one) > 2 && one[2] == lane })]
	}
	biases := map[string]func(*Report){
		"somebody let in before the call in the lane": func(r *Report) { inLane(r.Admissions, 1)[1] = 4000 },
		"somebody let in by a lane that there is not": func(r *Report) { r.Admissions[9] = append(r.Admissions[9][:2:2], 3) },
		"a lane that nobody was shown": func(r *Report) {
			r.Lanes = append(r.Lanes, "friends")
			r.Calls = append([][]int64{{r.Calls[0][0], 9, 3}}, r.Calls...)
			r.Admissions[9] = append(r.Admissions[9][:2:2], 3)
		},
		"a lane with another name": func(r *Report) { r.Lanes[0] = "friends" },
		"a call in a lane that goes back": func(r *Report) {
			first := inLane(r.Calls, 2)
			r.Calls = append(r.Calls, []int64{r.Calls[len(r.Calls)-1][0], first[1], 2})
		},
	}
	if r.Order != sale.Draw {
		return biases
	}
	maps.Copy(biases, map[string]func(*Report){
		"an entrant in the lane after the freeze":          func(r *Report) { r.Draw.Lanes[1]++; *r.Draw.Count++ },
		"an entrant in the lane, and what follows from it": func(r *Report) { r.Draw.Lanes[1]++; *r.Draw.Count++; refit(r) },
		"an entrant less in the lane":                      func(r *Report) { r.Draw.Lanes[2]--; *r.Draw.Count--; refit(r) },
		"an entrant in another lane than he was":           func(r *Report) { r.Draw.Lanes[1]++; r.Draw.Lanes[0]--; refit(r) },
		"an entrant who is in no lane":                     func(r *Report) { *r.Draw.Count++; refit(r) },
		"a lane with a draw that nobody was shown": func(r *Report) {
			r.Lanes, r.Draw.Lanes = append(r.Lanes, "friends"), append(r.Draw.Lanes, 0)
			refit(r)
		},
		"the lanes one for the other": func(r *Report) {
			for _, list := range [][][]int64{r.Calls, r.Admissions} {
				for _, one := range list {
					if len(one) > 2 {
						one[2] = 3 - one[2]
					}
				}
			}
		},
	})
	return biases
}

// refit works out again what follows from the parts, so that nothing in the report contradicts them.
func refit(r *Report) {
	d, b := r.Draw, r.Draw.Beacon
	raw := unhex(b.Signature)
	random := sha256.Sum256(raw)
	b.Randomness = hex.EncodeToString(random[:])
	b.RoundAt = b.GenesisAt.Add(time.Duration(float64(b.Round-1) * b.PeriodSeconds * float64(time.Second)))
	mac := hmac.New(sha256.New, unhex(d.Seed))
	counts := fmt.Sprint(*d.Count)
	if len(d.Lanes) > 0 {
		counts += "\nlanes " + strings.Trim(fmt.Sprint(d.Lanes), "[]")
	}
	_, _ = fmt.Fprintf(mac, "penstock/draw/v2\nsale %s\ncount %s\nbeacon %s %d %s\nshare brand %s", r.Sale, counts, b.ChainHash, b.Round, b.Signature, d.Shares[0].Value)
	d.CompletedSeed = hex.EncodeToString(mac.Sum(nil))
}

func cloned(t *testing.T, r Report) (copied Report) {
	t.Helper()
	body, err := json.Marshal(&r)
	if err == nil {
		err = json.Unmarshal(body, &copied)
	}
	if err != nil {
		t.Fatal(err)
	}
	return copied
}
