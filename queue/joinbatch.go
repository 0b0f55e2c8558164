package queue

import (
	"errors"
	"slices"
	"strconv"

	"github.com/penstock/penstock/internal/problem"
)

// joinBatch is a batch of visitors who join, and what each of them got so far.
type joinBatch struct {
	newcomers        []Newcomer
	results          []joined
	staying, passing []int  // positions of those who have nothing yet; those who pass take a number only when called
	decoys           []int  // positions of those for the decoy line
	called           *grant // the last one with calls
}

func newJoinBatch(newcomers []Newcomer) *joinBatch {
	b := &joinBatch{newcomers: newcomers, results: make([]joined, len(newcomers))}
	for i := range newcomers {
		switch {
		case newcomers[i].decoy:
			b.decoys = append(b.decoys, i)
		case newcomers[i].OnlyCalled:
			b.passing = append(b.passing, i)
		default:
			b.staying = append(b.staying, i)
		}
	}
	return b
}

// outside is the latest that the node knows.
func (b *joinBatch) outside() Outside { return b.newcomers[len(b.newcomers)-1].Outside }

// interests are the arguments of those who name items.
func (b *joinBatch) interests() (args []string) {
	for at, i := range slices.Concat(b.staying, b.passing) {
		if interest := b.newcomers[i].Interest; interest.Named() {
			args = append(args, strconv.Itoa(at+1), interest.words())
		}
	}
	return args
}

// take hands out the numbers of a grant, the called ones first.
func (b *joinBatch) take(g grant) {
	for i := range g.staying + g.passing {
		who := &b.staying
		if i >= g.staying {
			who = &b.passing
		}
		b.results[(*who)[0]] = joined{number: numberIn(g.lane, g.first+uint64(i)), epoch: g.epoch, nowMillis: g.nowMillis, called: i < g.calls}
		*who = (*who)[1:]
	}
	if g.calls > 0 {
		b.called = &g
	}
}

// takeDecoys lets those into the decoy line who would get a number if there were one for each.
func (b *joinBatch) takeDecoys(g grant, numbers *decoyNumbers) {
	if g.status != "ok" && g.status != "raise" {
		return
	}
	for _, i := range b.decoys {
		b.results[i] = joined{number: numbers.next(g.given()), epoch: g.epoch, nowMillis: g.nowMillis}
	}
	b.decoys = nil
}

func (b *joinBatch) complete() bool { return len(b.staying)+len(b.passing)+len(b.decoys) == 0 }

// refuse tells the reason to those who have nothing. Who takes no place in a full room would have to wait.
func (b *joinBatch) refuse(reason error) {
	for _, i := range slices.Concat(b.staying, b.decoys) {
		b.results[i].refusal = reason
	}
	if errors.Is(reason, problem.RoomFull) {
		reason = ErrMustWait
	}
	for _, i := range b.passing {
		b.results[i].refusal = reason
	}
	b.staying, b.passing, b.decoys = nil, nil, nil
}

// failCalled takes the numbers back from those who were called and must not be told.
func (b *joinBatch) failCalled(reason error) {
	for i := range b.results {
		if b.results[i].called {
			b.results[i] = joined{refusal: reason}
		}
	}
}
