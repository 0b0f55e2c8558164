package queue

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

var testPlaceKeys = NewPlaceKeys(testSecret)

func person(name string) Keyed { return Keyed{Person: testPlaceKeys.Of("person", "drop", name)} }

func joinKeyed(t testing.TB, r *Room, k Keyed) (Ticket, bool) {
	t.Helper()
	ticket, had, err := r.JoinKeyed(context.Background(), k)
	if err != nil {
		t.Fatal(err)
	}
	return ticket, had
}

func TestOneKeyHasOnePlaceOnEveryNode(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now()), &memoryJournal{}
		nodes := []*Room{openRoom(t, client, rec, j), openNode(t, client, rec, j), openNode(t, client, rec, j)}
		var mu sync.Mutex
		tokens, first := make(map[string]int), 0
		var all sync.WaitGroup
		for i := range 300 {
			all.Go(func() {
				ticket, had, err := nodes[i%len(nodes)].JoinKeyed(context.Background(), person("ada"))
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				tokens[nodes[0].deps.Tickets.Sign(ticket)]++
				if !had {
					first++
				}
				if journaled := j.fold().keyed; journaled[person("ada").Person[0]].number != ticket.Number {
					t.Errorf("told the place %d while the journal knew %v", ticket.Number, journaled)
				}
			})
		}
		all.Wait()
		if len(tokens) != 1 || first != 1 {
			t.Fatalf("%d different tickets, %d of them new", len(tokens), first)
		}
		other, had := joinKeyed(t, nodes[1], person("bob"))
		plain := join(t, nodes[2], 1)[0]
		if had || other.Number != 2 || plain.Number != 3 || other.Flags != FlagKeyed || plain.Flags != 0 {
			t.Fatalf("%+v %v %+v", other, had, plain)
		}
	})
}

func TestManyKeysOfABatchHaveEachItsOwnPlace(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), &memoryJournal{})
		reqs := make([]keyedRequest, 0, 200)
		for i := range 200 {
			reqs = append(reqs, keyedRequest{Keyed: person(string(rune('a' + i%100)))})
		}
		got, err := r.joinAllKeyed(context.Background(), reqs)
		if err != nil {
			t.Fatal(err)
		}
		numbers := make(map[Number]bool)
		for i := range got {
			if got[i].refusal != nil || got[i].had != (i >= 100) || got[i].place != got[i%100].place {
				t.Fatalf("%d: %+v", i, got[i])
			}
			numbers[got[i].place.number] = true
		}
		if len(numbers) != 100 {
			t.Fatalf("%d places for 100 keys", len(numbers))
		}
	})
}

func TestAKeyGetsANewPlaceAtTheEndOnceItsPlaceIsOver(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		for name, finish := range map[string]func(*testing.T, *Room, Ticket){
			"left": func(t *testing.T, r *Room, ticket Ticket) {
				if err := r.Leave(context.Background(), ticket); err != nil {
					t.Fatal(err)
				}
			},
			"pass given back": func(t *testing.T, r *Room, ticket Ticket) {
				callUpTo(t, r, 1)
				pass, _, _, err := r.Claim(context.Background(), ticket)
				if err != nil {
					t.Fatal(err)
				}
				if again, had := joinKeyed(t, r, person("ada")); !had || again.Number != ticket.Number {
					t.Fatalf("while the pass is good: %+v", again)
				}
				if err := r.Release(context.Background(), pass); err != nil {
					t.Fatal(err)
				}
			},
		} {
			rec, j := testSale(time.Now()), &memoryJournal{}
			rec.ID = "drop-" + name[:4]
			r, other := openRoom(t, client, rec, j), openNode(t, client, rec, j)
			ticket, _ := joinKeyed(t, r, person("ada"))
			join(t, r, 3)
			refresh(t, r)
			finish(t, r, ticket)
			refresh(t, other)
			next, had := joinKeyed(t, other, person("ada"))
			if had || next.Number != 5 {
				t.Errorf("%s: %+v, there before: %v", name, next, had)
			}
			refresh(t, r)
			if again, had := joinKeyed(t, r, person("ada")); !had || again != next {
				t.Errorf("%s: the next time %+v", name, again)
			}
		}
	})
}

func TestAKeyThatMissedItsTurnGetsOneNewPlace(t *testing.T) {
	clock, client := newClock(t)
	rec, j := testSale(clock.now), &memoryJournal{}
	r, other := openRoom(t, client, rec, j), openNode(t, client, rec, j)
	joinKeyed(t, r, person("ada"))
	callUpTo(t, r, 1)
	clock.forward(rec.Admission.ClaimWindow.Std() + time.Second)
	// The node that has not noticed tells the place that there was; so does Redis to one that errs.
	refresh(t, r)
	refresh(t, other)
	var all sync.WaitGroup
	numbers := make([]Number, 40)
	for i := range numbers {
		all.Go(func() {
			ticket, _, err := []*Room{r, other}[i%2].JoinKeyed(context.Background(), person("ada"))
			if err != nil {
				t.Error(err)
			}
			numbers[i] = ticket.Number
		})
	}
	all.Wait()
	for _, n := range numbers {
		if n != 2 {
			t.Fatalf("%v", numbers)
		}
	}
}

func TestRedisDecidesWhetherAPlaceIsOver(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), nil)
		ticket, _ := joinKeyed(t, r, person("ada"))
		callUpTo(t, r, 1)
		wrong := keyedRequest{Keyed: person("ada"), old: keptOf(ticket).text(), oldPlace: 1}
		if got, err := r.keyedJoin(context.Background(), wrong); err != nil || !got.had || got.place.number != ticket.Number {
			t.Fatalf("a node that errs got %+v, %v", got, err)
		}
	})
}

func TestPlacesByKeySurviveALossOfRedis(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now()), &memoryJournal{}
		rec.Admission.Lanes = []sale.Lane{{Name: "gold", Share: 0.1}, {Name: "silver", Share: 0.1}, {Name: "bronze", Share: 0.1}}
		r := openRoom(t, client, rec, j)
		like := person("ada")
		like.Lane, like.Like = 3, Ticket{Interest: Interest{0, 0, 0, MarkOf("A")}}
		ticket, _ := joinKeyed(t, r, like)
		joinKeyed(t, r, Keyed{Invite: testPlaceKeys.Of("invite", "drop", "CODE")})
		if ticket.Number != numberIn(3, 1) || ticket.Interest != like.Like.Interest {
			t.Fatalf("%+v", ticket)
		}
		if err := Wipe(context.Background(), client, rec.ID, testTerm); err != nil {
			t.Fatal(err)
		}
		kept := j.fold()
		if kept.KeyedPlaces() != 2 {
			t.Fatalf("the journal has %d places", kept.KeyedPlaces())
		}
		arm(t, client, rec, kept)
		again, had := joinKeyed(t, openNode(t, client, rec, j), person("ada"))
		if !had || r.deps.Tickets.Sign(again) != r.deps.Tickets.Sign(ticket) {
			t.Fatalf("%+v instead of %+v", again, ticket)
		}
		if next, had := joinKeyed(t, r, person("bob")); had || next.Number <= 2 {
			t.Fatalf("%+v", next)
		}
	})
}

func TestNoPlaceByKeyIsToldWhileTheJournalFails(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now()), &memoryJournal{}
		r, other := openRoom(t, client, rec, j), openNode(t, client, rec, j)
		join(t, r, 1) // the mark is raised
		j.setFail(errors.New("disk full"))
		for _, node := range []*Room{r, other} { // the second finds the place in Redis, and may not tell it either
			if got, _, err := node.JoinKeyed(context.Background(), person("ada")); !errors.Is(err, problem.Unavailable) {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		j.setFail(nil)
		ticket, _ := joinKeyed(t, other, person("ada"))
		if ticket.Number != 2 || j.fold().keyed[person("ada").Person[0]].number != 2 {
			t.Fatalf("%+v, journaled %v", ticket, j.fold().keyed)
		}
	})
}

func TestATicketFromBeforeTheLoginIsKept(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), &memoryJournal{})
		plain := join(t, r, 2)
		with := person("ada")
		with.Own = plain[1]
		ticket, had := joinKeyed(t, r, with)
		if !had || ticket.Number != 2 || ticket.Flags != FlagKeyed || ticket.IssuedMillis != plain[1].IssuedMillis {
			t.Fatalf("%+v", ticket)
		}
		if again, _ := joinKeyed(t, r, person("ada")); again != ticket {
			t.Fatalf("on another device %+v", again)
		}
		with.Own = plain[0] // an earlier place does not become the key's any more
		if again, _ := joinKeyed(t, r, with); again != ticket {
			t.Fatalf("with another ticket %+v", again)
		}
		if err := r.Leave(context.Background(), plain[0]); err != nil {
			t.Fatal(err)
		}
		with = person("bob")
		with.Own = plain[0]
		if fresh, had := joinKeyed(t, r, with); had || fresh.Number != 3 {
			t.Fatalf("with a ticket that is over %+v", fresh)
		}
	})
}

func TestAnInviteGivesOnePlace(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), &memoryJournal{})
		invite := testPlaceKeys.Of("invite", "drop", "CODE")
		ticket, _ := joinKeyed(t, r, Keyed{Invite: invite})
		withPerson := person("ada")
		withPerson.Invite = invite
		if again, had := joinKeyed(t, r, withPerson); !had || again != ticket {
			t.Fatalf("%+v", again)
		}
		if again, had := joinKeyed(t, r, person("ada")); !had || again != ticket {
			t.Fatalf("the person has another place: %+v", again)
		}
		if err := r.Leave(context.Background(), ticket); err != nil {
			t.Fatal(err)
		}
		for _, k := range []Keyed{{Invite: invite}, withPerson} {
			if again, had := joinKeyed(t, r, k); !had || again != ticket {
				t.Fatalf("an invite that was used up gave %+v", again)
			}
		}
		withPerson.Invite = testPlaceKeys.Of("invite", "drop", "NEXT")
		if next, had := joinKeyed(t, r, withPerson); had || next.Number != 2 {
			t.Fatalf("another invite gave %+v", next)
		}
	})
}

func TestAPlaceIsFoundWithoutOneBeingGiven(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), nil)
		look := person("ada")
		look.FindOnly = true
		if got, had := joinKeyed(t, r, look); had || got.Number != 0 {
			t.Fatalf("%+v", got)
		}
		ticket, _ := joinKeyed(t, r, person("ada"))
		if got, had := joinKeyed(t, r, look); !had || got != ticket {
			t.Fatalf("%+v", got)
		}
	})
}

func TestAKeyIsFoundAfterTheSecretChanged(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), nil)
		before, next := []byte("0123456789abcdef0123456789abcdeX"), []byte("0123456789abcdef0123456789abcdeY")
		old := NewPlaceKeys(before, next)
		ticket, _ := joinKeyed(t, r, Keyed{Person: old.Of("person", "drop", "ada")})
		if got, had := joinKeyed(t, r, Keyed{Person: NewPlaceKeys(next, before).Of("person", "drop", "ada")}); !had || got != ticket {
			t.Fatalf("%+v", got)
		}
	})
}

func TestTheKeysOfASaleAreBounded(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), nil)
		r.maxKeyed = 2
		joinKeyed(t, r, person("ada"))
		joinKeyed(t, r, person("bob"))
		if _, _, err := r.JoinKeyed(context.Background(), person("cid")); !errors.Is(err, problem.RoomFull) {
			t.Fatal(err)
		}
		if _, had := joinKeyed(t, r, person("ada")); !had {
			t.Fatal("a place that there was is not found")
		}
	})
}

func TestAKeyInADraw(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := testSale(time.Now(), func(rec *sale.Record) { rec.Admission.Order, rec.StartsAt = sale.Draw, time.Now().Add(time.Hour) })
		r := openRoom(t, client, rec, &memoryJournal{})
		ticket, _ := joinKeyed(t, r, person("ada"))
		if again, had := joinKeyed(t, r, person("ada")); !had || again != ticket {
			t.Fatalf("%+v", again)
		}
	})
}
