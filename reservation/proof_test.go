package reservation

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

func TestOnlyTheHolderDisposesOfAReservation(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		mine, anonymous := ask1("1", "ann", 1), ask1("2", "bob", 1)
		mine.Bearer = "12"
		held, nobodys := mustReserve(t, s, mine), mustReserve(t, s, anonymous)
		order := func(id, key string, by Proof) error {
			c := confirmation(id, key, 1)
			c.By = by
			_, err := s.Confirm(ctx, c)
			return err
		}
		for name, by := range map[string]Proof{
			"nothing": {}, "another": {Bearers: []string{"7"}}, "a part": {Bearers: []string{"1", "2"}}, "more": {Bearers: []string{"123"}},
			"two words": {Bearers: []string{"7 12"}}, "a star": {Bearers: []string{"*"}}, "empty": {Bearers: []string{""}},
			"a pattern": {Bearers: []string{"%d+", ".."}}, "too many": {Bearers: append(strings.Split(strings.Repeat("1", maxBearers), ""), "12")},
		} {
			for _, id := range []string{held.ID, nobodys.ID} {
				if id == nobodys.ID && name == "another" {
					by = Proof{Bearers: []string{"12"}}
				}
				_, extended := s.Extend(ctx, id, by)
				for what, err := range map[string]error{"release": release(ctx, s, id, by), "extend": extended, "order": order(id, "o", by)} {
					if doc, _ := problem.Of(err); doc.Code != problem.NotTheHolder {
						t.Errorf("%s with %s: %v", what, name, err)
					}
				}
			}
		}
		wantCounts(t, client, "SHOE", 8, 2, 0)
		holder := Proof{Bearers: []string{"7", "12"}}
		if _, err := s.Extend(ctx, held.ID, holder); err != nil {
			t.Fatal(err)
		}
		if err := order(held.ID, "o", holder); err != nil {
			t.Fatal(err)
		}
		wantCode(t, order(held.ID, "o", Proof{Bearers: []string{"7"}}), problem.NotTheHolder)
		wantCode(t, release(ctx, s, held.ID, Proof{}), problem.NotTheHolder)
		wantCode(t, release(ctx, s, held.ID, holder), problem.AlreadyResolved)
		if err := release(ctx, s, nobodys.ID, proved); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, client, "SHOE", 9, 0, 1)
	})
}

// After a loss the ledger does not tell who ordered. What is an order cannot change any more, and its buyer may
// have lost the answer: whoever has a proof of any kind is told of it.
func TestAnOrderThatTheLedgerAloneKnowsIsToldToWhoeverHasAProof(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		s := open(t, client, rec)
		mine := ask1("1", "ann", 1)
		mine.Bearer = "12"
		r := mustReserve(t, s, mine)
		mustConfirm(t, s, confirmation(r.ID, "o", 1))
		flush(t, client)
		rec.Epoch = 2
		if err := rebuild(ctx, client, rec, []RestoredOrder{restoredOrder(r, 6)}, nil); err != nil {
			t.Fatal(err)
		}
		s.Update(rec)
		again := confirmation(r.ID, "o", 1)
		again.By = Proof{Bearers: []string{"12"}}
		if got := mustConfirm(t, s, again); !got.Again {
			t.Fatalf("got %+v", got)
		}
		again.By = Proof{}
		_, err := s.Confirm(ctx, again)
		wantCode(t, err, problem.NotTheHolder)
	})
}

func TestAProofIsBounded(t *testing.T) {
	long := strings.Repeat("1", maxBearer+1)
	for _, row := range []struct {
		proof Proof
		want  string
	}{
		{Proof{}, ""}, {proved, "*"}, {Proof{Bearers: []string{"1"}}, "1"}, {Proof{Bearers: []string{"1", "2"}}, "1 2"},
		{Proof{Bearers: []string{long}}, ""}, {Proof{Bearers: []string{"a/b", long, "1"}}, "1"},
		{Proof{Bearers: append(strings.Split(strings.Repeat("1", maxBearers), ""), "2")}, strings.TrimSpace(strings.Repeat("1 ", maxBearers))},
	} {
		if got := row.proof.word(); got != row.want {
			t.Errorf("%+v is the word %q, want %q", row.proof, got, row.want)
		}
	}
}
