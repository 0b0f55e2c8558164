package ledger

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/penstock/penstock/internal/problem"
)

func use(code string, holders ...string) InviteUse {
	return InviteUse{Sale: "spring", Codes: []string{code, code + "-former"}, Holders: holders, AtMillis: 1_900_000_000_000}
}

func TestAnInviteIsTakenOnceHoweverManyBringIt(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "spring", 10, "A")
		codes, invites := make([]string, 700), make([]Invite, 700)
		for i := range codes {
			codes[i] = fmt.Sprintf("code-%d", i)
			invites[i] = Invite{Code: codes[i], Lane: "vip"}
		}
		for range 2 { // the same file again adds nothing
			if _, err := l.AddInvites(t.Context(), "spring", "members", invites, 1); err != nil {
				t.Fatal(err)
			}
		}
		var mu sync.Mutex
		winners := map[string]int{}
		var all sync.WaitGroup
		for visitor := range 20 { // each brings the same ones in another order, so that their rows are locked crosswise
			all.Go(func() {
				var uses []InviteUse
				for i := range 40 {
					uses = append(uses, use(codes[(i*7+visitor*11)%40], fmt.Sprintf("visitor-%d", visitor)))
				}
				states, err := l.UseInvites(t.Context(), uses)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				for i, used := range states {
					if used.Lane != "vip" {
						t.Errorf("the invite of the lane vip is of %q", used.Lane)
					}
					if used.State == InviteGood {
						winners[uses[i].Codes[0]]++
					}
				}
			})
		}
		all.Wait()
		for code, n := range winners {
			if n != 1 {
				t.Errorf("%s was taken by %d", code, n)
			}
		}
		counts, err := l.Invites(t.Context(), "spring")
		if err != nil || len(winners) != 40 || len(counts) != 1 || counts[0] != (InviteCounts{Batch: "members", Given: 700, Used: 40, FirstMillis: 1}) {
			t.Fatalf("%d winners, %+v, %v", len(winners), counts, err)
		}
	})
}

func TestWhoMayBringAnInviteAgain(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "spring", 10, "A")
		if _, err := l.AddInvites(t.Context(), "spring", "members", []Invite{{Code: "a"}, {Code: "b-former"}, {Code: "c"}, {Code: "d"}}, 1); err != nil {
			t.Fatal(err)
		}
		if n, err := l.RevokeInvite(t.Context(), "spring", []string{"d", "d-former"}, 2); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		for _, step := range []struct {
			use  InviteUse
			want InviteState
		}{
			{use("a", "ada"), InviteGood},
			{use("a", "ada-renamed", "ada"), InviteGood},
			{use("a", "bob"), InviteTaken},
			{use("a"), InviteTaken},
			{use("b"), InviteGood}, // stored by a former secret
			{use("b"), InviteTaken},
			{use("x", "ada"), InviteUnknown},
			{use("d", "ada"), InviteUnknown},
			{InviteUse{Sale: "autumn", Codes: []string{"c"}}, InviteUnknown},
		} {
			got, err := l.UseInvites(t.Context(), []InviteUse{step.use})
			if err != nil || got[0].State != step.want {
				t.Errorf("%+v: %v, %v", step.use, got, err)
			}
		}
		if n, err := l.RevokeInvites(t.Context(), "spring", "members", 3); n != 1 || err != nil { // only c was left
			t.Fatal(n, err)
		}
	})
}

func TestInvitesBelongToASaleAndAreBounded(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		if _, err := l.AddInvites(t.Context(), "none", "members", []Invite{{Code: "a"}}, 1); !errors.Is(err, problem.UnknownSale) {
			t.Fatal(err)
		}
		newSale(t, l, "spring", 10, "A")
		if _, err := l.AddInvites(t.Context(), "spring", "members", []Invite{{Code: "a"}}, 1); err != nil {
			t.Fatal(err)
		}
		if err := l.DeleteSale(t.Context(), "spring"); err != nil {
			t.Fatal(err)
		}
		if counts, err := l.Invites(t.Context(), "spring"); err != nil || len(counts) != 0 {
			t.Fatalf("%+v, %v", counts, err)
		}
	})
}
