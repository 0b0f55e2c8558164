package queue

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func TestADecoyIsNoTicketAndATicketIsNoDecoy(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	rapid.Check(t, func(t *rapid.T) {
		like := Ticket{
			Sale: "drop", Number: Number(rapid.Uint64Range(1, maxNumber).Draw(t, "number")), Epoch: rapid.Uint32().Draw(t, "epoch"),
			IssuedMillis: rapid.Int64Range(maxEarlierMillis, maxIssued).Draw(t, "issued"),
		}
		if rapid.Bool().Draw(t, "named") {
			like.Interest = Interest{MarkOf("A")}
		}
		want := Decoy{like, levelFor(rapid.Uint64Range(0, 2000).Draw(t, "ahead"))}
		decoy := keys.SignDecoy(want)
		got, err := keys.ParseDecoy([]byte(decoy), "drop")
		earlier := like.IssuedMillis - got.ticket.IssuedMillis
		want.ticket.IssuedMillis = got.ticket.IssuedMillis
		if err != nil || got != want || earlier < 0 || earlier >= maxEarlierMillis {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
		genuine := keys.Sign(got.ticket)
		body := len(genuine) - ticketEncoding.EncodedLen(ticketMAC)
		if len(decoy) != len(genuine) || decoy[:body-1] != genuine[:body-1] || decoy[body:] == genuine[body:] {
			t.Fatalf("the holder can tell them apart: %s and %s", decoy, genuine)
		}
		if got, err := keys.Parse([]byte(decoy), "drop"); !errors.Is(err, problem.TicketInvalid) {
			t.Fatalf("the decoy is a ticket: %+v %v", got, err)
		}
		if got, err := keys.ParseDecoy([]byte(genuine), "drop"); !errors.Is(err, problem.TicketInvalid) {
			t.Fatalf("the ticket is a decoy: %+v %v", got, err)
		}
		if _, err := keys.ParseDecoy([]byte(decoy), "other"); !errors.Is(err, problem.TicketInvalid) {
			t.Fatal("a decoy of another sale")
		}
	})
}

func TestADecoyOutlivesTheRotationOfItsKey(t *testing.T) {
	before := NewTicketKeys([]byte("old"), nil, nil)
	after := NewTicketKeys([]byte("new"), [][]byte{[]byte("old")}, nil)
	want := Decoy{Ticket{Sale: "drop", Number: 7, IssuedMillis: 1_700_000_000_000}, 5}
	old, err := after.ParseDecoy([]byte(before.SignDecoy(want)), "drop")
	if err != nil || old.Number() != 7 || old.level != 5 {
		t.Fatalf("%+v %v, want %+v", old, err, want)
	}
	items := Interest{MarkOf("A")}
	if got, err := after.ParseDecoy([]byte(after.SignDecoy(old.Naming(items))), "drop"); err != nil || got.Interest() != items || got.level != 5 {
		t.Fatalf("with items, signed with the new key: %+v %v, want %+v", got, err, old)
	}
	if got, err := before.ParseDecoy([]byte(before.SignDecoy(old.Naming(items))), "drop"); err != nil || got != old.Naming(items) {
		t.Fatalf("with items: %+v %v, want %+v", got, err, old)
	}
	if _, err := before.ParseDecoy([]byte(after.SignDecoy(want)), "drop"); err == nil {
		t.Fatal("a node without the new key believes it")
	}
}

// What was signed before there were decoys, byte for byte.
func TestATicketFromBeforeTheDecoyLineIsOne(t *testing.T) {
	keys := NewTicketKeys(testSecret, nil, nil)
	want := Ticket{Sale: "drop", Number: 7, Epoch: 1, IssuedMillis: 1_700_000_000_000}
	const signed = "AckAAAABAYvP5WgAAAAAAAAAAAdiO7XWrlpwayO_lQfA6y2a"
	if got, err := keys.Parse([]byte(signed), "drop"); err != nil || got != want || keys.Sign(want) != signed {
		t.Fatalf("%+v %v; now %s", got, err, keys.Sign(want))
	}
}

func TestDecoysHaveTheNumbersAtTheEndOfTheLine(t *testing.T) {
	var n decoyNumbers
	given := []uint64{0, 100, 100, 100, 150, 150}
	for i, want := range []Number{1, 100, 101, 102, 150, 151} {
		if got := n.next(given[i]); got != want {
			t.Fatalf("decoy %d has number %d after %d were given, want %d", i, got, given[i], want)
		}
	}
	for range 3 * decoysBeyond {
		if got := n.next(150); got < 150 || got > 150+decoysBeyond {
			t.Fatal(got)
		}
	}
}

func joinDecoys(t *testing.T, r *Room, n int) []Decoy {
	t.Helper()
	decoys := make([]Decoy, n)
	for i := range decoys {
		var err error
		if decoys[i], err = r.JoinDecoy(context.Background(), Newcomer{Outside: plenty, Interest: Interest{MarkOf("A")}}); err != nil {
			t.Fatal(err)
		}
	}
	return decoys
}

func TestTheDecoyLineIsBesideTheLine(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), &memoryJournal{})
		if r.HasDecoyLine() {
			t.Fatal("a decoy line where nobody waits")
		}
		join(t, r, 5)
		before := refresh(t, r)
		decoys := joinDecoys(t, r, 3)
		for i, d := range decoys {
			if want := Number(5 + i); d.Number() != want || len(r.deps.Tickets.SignDecoy(d)) != ticketLength2 {
				t.Fatalf("%+v, want number %d", d, want)
			}
		}
		after := refresh(t, r)
		if !r.HasDecoyLine() || after.Entrants != before.Entrants || after.Waiting != before.Waiting || after.Called != before.Called || !reflect.DeepEqual(after.room.wanted, before.room.wanted) {
			t.Fatalf("the line was %+v and is %+v", before, after)
		}
		if v := r.LookDecoy(decoys[2], sale.PhaseLive, false); v.State != Waiting || v.Place != 7 || v.Ahead != 6 || v.PollAfterMillis <= 0 || v.ETAP50Seconds <= 0 {
			t.Fatalf("%+v", v)
		}
		later := join(t, r, 295) // the second of them has the number of a decoy
		if later[1].Number != decoys[2].Number() {
			t.Fatalf("%+v and %+v", later[1], decoys[2])
		}
		callUpTo(t, r, 290)
		if v := r.LookDecoy(decoys[2], sale.PhaseLive, false); v.State != Waiting || v.Ahead < 1 || v.Ahead > 6 || !v.ClaimBefore.IsZero() {
			t.Fatalf("called past it: %+v", v)
		}
		if err := r.ClaimDecoy(decoys[2]); !errors.Is(err, problem.NotCalled) {
			t.Fatal(err)
		}
		if _, _, _, err := r.Claim(context.Background(), later[1]); err != nil {
			t.Fatalf("the holder of the same number: %v", err)
		}
	})
}

// While the line has not come near, a decoy is told what the ticket of the same number is told, but for the jitter.
func TestADecoyIsToldWhatATicketOfItsNumberIsTold(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		for name, change := range map[string]func(*sale.Record){
			"live":  func(*sale.Record) {},
			"early": func(rec *sale.Record) { rec.StartsAt = time.Now().Add(time.Hour) },
			"draw": func(rec *sale.Record) {
				rec.Admission.Order, rec.StartsAt = sale.Draw, time.Now().Add(time.Hour)
			},
		} {
			r := openRoom(t, client, testSale(time.Now(), change), &memoryJournal{})
			ticket := join(t, r, 1500)[1499]
			refresh(t, r)
			for _, number := range []Number{1500, 1300} {
				ticket.Number = number
				for _, phase := range []sale.Phase{r.Snapshot().running(), sale.PhasePaused, sale.PhaseSoldOut, sale.PhaseEnded} {
					for _, heldOut := range []bool{false, true} {
						a, b := r.Look(ticket, phase, heldOut), r.LookDecoy(Decoy{ticket, levelFor(1000)}, phase, heldOut)
						if low, high := min(a.PollAfterMillis, b.PollAfterMillis), max(a.PollAfterMillis, b.PollAfterMillis); name != "live" && phase == sale.PhasePrequeue || float64(high) < 1.6*float64(low) {
							b.PollAfterMillis = a.PollAfterMillis
						}
						if a != b {
							t.Fatalf("%s, %s, held out: %v:\n%+v\n%+v", name, phase, heldOut, a, b)
						}
					}
				}
				_, _, _, refused := r.Claim(context.Background(), ticket)
				if decoyed := r.ClaimDecoy(Decoy{ticket, levelFor(1000)}); said(refused) != said(decoyed) {
					t.Fatalf("%s, claim of %d: %s and %s", name, number, said(refused), said(decoyed))
				}
			}
		}
	})
}

// At first a decoy has ahead of it whoever a ticket of its number has. From then on they get fewer, but for the last,
// however long the line gets.
func TestNeverMoreAreAheadOfADecoyThanWaitedWhenItCame(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), &memoryJournal{})
		join(t, r, 1150)
		callUpTo(t, r, 1000)
		d := joinDecoys(t, r, 1)[0]
		d, err := r.deps.Tickets.ParseDecoy([]byte(r.deps.Tickets.SignDecoy(d)), "drop")
		if err != nil {
			t.Fatal(err)
		}
		ahead := r.LookDecoy(d, sale.PhaseLive, false).Ahead
		if genuine := r.Look(Ticket{Sale: "drop", Number: 1150}, sale.PhaseLive, false); ahead != 149 || genuine.Ahead != ahead {
			t.Fatalf("%d are ahead of the decoy, and %d of the ticket of its number", ahead, genuine.Ahead)
		}
		join(t, r, 1000)
		for _, called := range []uint64{1050, 1100, 1149, 1150, 1500, 2149} {
			callUpTo(t, r, called)
			v := r.LookDecoy(d, sale.PhaseLive, false)
			if v.State != Waiting || v.Ahead > ahead || v.Ahead < 149/4 {
				t.Fatalf("%d were called: %d ahead, before %d: %+v", called, v.Ahead, ahead, v)
			}
			ahead = v.Ahead
		}
	})
}

// said is what an error says, but for figures with a jitter.
func said(err error) string {
	p, known := problem.Of(err)
	if !known {
		return fmt.Sprint(err)
	}
	names := make([]string, 0, len(p.Fields))
	for _, f := range p.Fields {
		names = append(names, f.Name)
	}
	return fmt.Sprint(p.Code, p.Detail, strings.Join(names, " "))
}

func TestAFullRoomTakesNoDecoyEither(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), &memoryJournal{})
		r.deps.MaxWaitingTickets = 3
		join(t, r, 3)
		refresh(t, r)
		_, genuine := r.Join(context.Background())
		_, decoy := r.JoinDecoy(context.Background(), Newcomer{})
		if !errors.Is(genuine, problem.RoomFull) || said(decoy) != said(genuine) {
			t.Fatalf("%v and %v", decoy, genuine)
		}
	})
}

// However far the room calls, in whatever phase and mode: nobody of the decoy line is called.
func TestNobodyOfTheDecoyLineIsEverCalled(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), &memoryJournal{})
		join(t, r, 20)
		callUpTo(t, r, 20)
		d := Decoy{Ticket{Sale: "drop", Number: 10, Epoch: 1}, levelFor(9)}
		for i, mode := range []sale.Mode{sale.Queue, sale.Open, sale.Reject, sale.Drain} {
			arm(t, client, testSale(time.Now(), func(rec *sale.Record) { rec.Admission.Mode, rec.Version = mode, int64(i)+2 }), nil)
			if s := refresh(t, r); s.Mode != mode {
				t.Fatalf("the mode is %s, not %s", s.Mode, mode)
			}
			for _, phase := range []sale.Phase{sale.PhasePrequeue, sale.PhaseLive, sale.PhasePaused, sale.PhaseSoldOut, sale.PhaseEnded} {
				v := r.LookDecoy(d, phase, false)
				if v.State == Called || v.State == Admitted || v.State == Missed || !v.ClaimBefore.IsZero() || phase == sale.PhaseLive && v.Ahead == 0 {
					t.Fatalf("%s %s: %+v", mode, phase, v)
				}
			}
			if err := r.ClaimDecoy(d); !errors.Is(err, problem.NotCalled) {
				t.Fatal(err)
			}
		}
	})
}

// Nothing is kept of a decoy, so that a node that has just started tells the same.
func TestADecoyIsInItsLineAfterARestart(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		journal := &memoryJournal{}
		r := openRoom(t, client, testSale(time.Now()), journal)
		join(t, r, 700)
		d := joinDecoys(t, r, 1)[0]
		token := r.deps.Tickets.SignDecoy(d)
		kept := len(journal.records)
		refresh(t, r)
		before := r.LookDecoy(d, sale.PhaseLive, false)
		again := openNode(t, client, testSale(time.Now()), journal)
		back, err := again.deps.Tickets.ParseDecoy([]byte(token), "drop")
		after := again.LookDecoy(back, sale.PhaseLive, false)
		if err != nil || after.State != Waiting || after.Place != before.Place || after.Ahead != before.Ahead || len(journal.records) != kept {
			t.Fatalf("%v: %+v, then %+v", err, before, after)
		}
	})
}

func TestAPollOfADecoyAsksRedisNothing(t *testing.T) {
	client := testenv.ConnectRedis(t, testenv.Redis(t).URL)
	r := openRoom(t, client, testSale(time.Now()), &memoryJournal{})
	join(t, r, 700)
	d := joinDecoys(t, r, 1)[0]
	token := r.deps.Tickets.SignDecoy(d)
	refresh(t, r)
	before := commandsSoFar(t, client)
	for range 1000 {
		back, err := r.deps.Tickets.ParseDecoy([]byte(token), "drop")
		if v := r.LookDecoy(back, sale.PhaseLive, false); err != nil || v.State != Waiting || !errors.Is(r.ClaimDecoy(back), problem.NotCalled) {
			t.Fatalf("%v: %+v", err, v)
		}
	}
	if asked := commandsSoFar(t, client) - before; asked > 1 { // the count itself
		t.Fatalf("Redis was asked %d times", asked)
	}
}

func commandsSoFar(t *testing.T, client rueidis.Client) int {
	t.Helper()
	text, err := client.Do(context.Background(), client.B().Info().Section("stats").Build()).ToString()
	_, rest, found := strings.Cut(text, "total_commands_processed:")
	count, _, _ := strings.Cut(rest, "\r\n")
	n, invalid := strconv.Atoi(count)
	if err != nil || !found || invalid != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return n
}
