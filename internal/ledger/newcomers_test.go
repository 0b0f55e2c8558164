package ledger

import (
	"slices"
	"sync"
	"testing"

	"github.com/penstock/penstock/internal/bots"
)

func TestCountsOfNewcomersAddUpOverNodes(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		counts := []bots.Count{
			{Sale: "drop", Outcome: bots.Joined, N: 3},
			{Sale: "drop", Rule: bots.JoinsPerAddress, Outcome: bots.Blocked, N: 2},
			{Sale: "other", Outcome: bots.Joined, N: 1},
		}
		reversed := slices.Clone(counts)
		slices.Reverse(reversed)
		var nodes sync.WaitGroup
		for i := range 4 {
			mine := counts
			if i%2 == 1 {
				mine = reversed
			}
			nodes.Go(func() {
				for range 5 {
					if err := l.AddNewcomers(t.Context(), mine); err != nil {
						t.Error(err)
					}
				}
			})
		}
		nodes.Wait()
		got, err := l.Newcomers(t.Context(), "drop")
		want := []bots.Count{
			{Sale: "drop", Outcome: bots.Joined, N: 60},
			{Sale: "drop", Rule: bots.JoinsPerAddress, Outcome: bots.Blocked, N: 40},
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%v %v", got, err)
		}
		if r := bots.NewReport(got); r.People != 60 || r.Blocked != 40 || r.LikelyBots != 0 || len(r.Rules) != 1 {
			t.Errorf("%+v", r)
		}
	})
}
