package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/penstock/penstock/internal/batch"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const (
	keyedBatch = 256
	// MaxKeyedPlaces bounds the keys of one sale that have, or had, a place.
	MaxKeyedPlaces = 2_000_000
)

// Keyed says who joins. Each of the keys has one place, and no key gets a second one while its place is good.
type Keyed struct {
	// Person are the keys of one person, from [PlaceKeys.Of]; none when only an invite was shown. When the place
	// is over, the person gets another one at the end of the line.
	Person []PlaceKey
	// Invite are those of an invite. It gets no other place when its place is over.
	Invite []PlaceKey
	// Lane is that of a new place. A place that a key has already stays where it is.
	Lane Lane
	// Like has the flags and the interest of a new ticket.
	Like Ticket
	// Own is a ticket that the visitor had without a key. Whoever has no place under a key keeps it, if it is in the
	// same lane. Number 0 is none.
	Own Ticket
	// KeepLate gives no other place as long as the turn that was missed can be taken up.
	KeepLate bool
	// FindOnly gives no place that was not there.
	FindOnly bool
	// Outside is that of a [Newcomer].
	Outside Outside
}

// keyedRequest is one visitor of a batch.
type keyedRequest struct {
	Keyed
	old      string // a value whose place is over
	oldPlace uint64
}

// keyedAnswer is what one visitor gets of a batch.
type keyedAnswer struct {
	place   keptPlace
	had     bool
	refusal error
}

// JoinKeyed gives a place to somebody with a key, or tells the one that the key has. It is the same ticket for
// everybody who comes with the key, on whatever node. Had says that the place was there. A ticket of the number 0
// means that there is none, when it was only looked for. An invite whose place is over is answered with that
// place. The errors are those of [Room.Join].
func (r *Room) JoinKeyed(ctx context.Context, k Keyed) (t Ticket, had bool, err error) {
	if err := r.refuseJoin(); err != nil {
		return Ticket{}, false, err
	}
	request := keyedRequest{Keyed: k}
	if k.Own.Number > 0 {
		request.oldPlace = r.placeOrZero(k.Own.Number)
	}
	got, err := r.keyedJoin(ctx, request)
	if err == nil && got.had && !k.FindOnly && len(k.Person) > 0 && r.spent(got.place.number) && !(k.KeepLate && r.late(got.place.number)) {
		request.old, request.oldPlace = got.place.text(), r.placeOrZero(got.place.number)
		got, err = r.keyedJoin(ctx, request)
	}
	if err != nil || got.place.number == 0 {
		return Ticket{}, false, err
	}
	t = got.place.ticket(r.saleID)
	if !got.had && t.Interest.Named() {
		r.countKeyed(ctx, t)
	}
	return t, got.had, nil
}

func (r *Room) keyedJoin(ctx context.Context, request keyedRequest) (keyedAnswer, error) {
	got, err := r.keyedJoins.Do(ctx, request)
	switch {
	case errors.Is(err, batch.ErrFull):
		return keyedAnswer{}, problem.With(problem.Overloaded, "too many visitors are joining at once")
	case err != nil:
		return keyedAnswer{}, unavailable("join "+r.saleID, err)
	default:
		return got, got.refusal
	}
}

// spent reports whether nothing more comes of a number, as far as this node knows. Redis decides.
func (r *Room) spent(n Number) bool {
	s := r.snap.Load().of(n)
	now := s.nowMillis()
	f := r.book.Load().facts(n)
	if f.used {
		return f.expiresMillis <= now
	}
	v := View{}
	v.Place, v.PlaceKnown = s.place(n)
	called, deadline := s.calledUntil(&v, n, f.renewedUntil)
	return called && s.runMillis(now) >= deadline && s.Mode != sale.Open
}

// late reports whether the turn of a spent number can still be taken up, as far as this node knows.
func (r *Room) late(n Number) bool {
	s := r.snap.Load().of(n)
	place, known := s.place(n)
	return known && !r.book.Load().facts(n).used && s.runMillis(s.nowMillis()) < s.graceUntil(place)
}

// placeOrZero is the place of a number in its lane, as the scripts take it.
func (r *Room) placeOrZero(n Number) uint64 { return r.snap.Load().of(n).placeOrZero(n) }

// joinAllKeyed decides a batch, lane by lane. Nobody is told a place before the journal has it.
func (r *Room) joinAllKeyed(ctx context.Context, reqs []keyedRequest) ([]keyedAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	results := make([]keyedAnswer, len(reqs))
	var byLane [MaxLane + 1][]int
	for i := range reqs {
		lane := min(reqs[i].Lane, MaxLane)
		byLane[lane] = append(byLane[lane], i)
	}
	pending := make(map[PlaceKey]keptPlace)
	var called []grant
	for lane, missing := range byLane {
		if len(missing) == 0 {
			continue
		}
		calls, err := r.joinLane(ctx, Lane(lane), reqs, missing, results, pending)
		if err != nil {
			return nil, err
		}
		called = append(called, calls...)
	}
	return results, r.keepKeyed(ctx, pending, called)
}

// joinLane decides those of a batch who get a new place in a lane, if any. It returns the last grant with calls.
func (r *Room) joinLane(ctx context.Context, lane Lane, reqs []keyedRequest, missing []int, results []keyedAnswer, pending map[PlaceKey]keptPlace) (called []grant, err error) {
	var refusal error
	for range joinRounds {
		var g grant
		if g, missing, err = r.takeKeyed(ctx, lane, reqs, missing, results, pending); err != nil {
			return nil, err
		}
		if g.calls > 0 {
			called = []grant{g}
		}
		if len(missing) == 0 {
			break
		}
		if refusal = r.keyedRefusal(ctx, g, len(missing)); refusal != nil {
			break
		}
	}
	if len(missing) > 0 && refusal == nil {
		refusal = problem.With(problem.Overloaded, "too many visitors are joining at once")
	}
	for _, i := range missing {
		results[i].refusal = refusal
	}
	return called, nil
}

// keyedRefusal makes room for those who have no number yet, or says why there is none.
func (r *Room) keyedRefusal(ctx context.Context, g grant, missing int) error {
	switch g.status {
	case "raise":
		return r.raise(ctx, g, missing)
	case "lost":
		return r.lost()
	case "ok":
		return nil
	default:
		return refusedJoin(g.status)
	}
}

// takeKeyed runs the script for the requests that have no answer, and returns which have none still.
func (r *Room) takeKeyed(ctx context.Context, lane Lane, reqs []keyedRequest, open []int, results []keyedAnswer, pending map[PlaceKey]keptPlace) (grant, []int, error) {
	args := make([]string, 0, 7+7*len(open))
	args = append(args, r.snap.Load().room.gen, strconv.Itoa(r.maxKeyed), strconv.FormatInt(r.deps.MaxWaitingTickets, 10))
	args = append(args, r.limits(reqs[open[len(open)-1]].Outside, lane)...)
	for _, i := range open {
		args = append(args, reqs[i].arguments()...)
	}
	parts, err := joinKeyedScript.Exec(ctx, r.deps.Redis, r.lanes.Load().keys, args).ToArray()
	if err != nil {
		return grant{}, nil, fmt.Errorf("keyed join script: %w", err)
	}
	if len(parts) == 0 {
		return grant{}, nil, errors.New("keyed join script: an empty answer")
	}
	given, err := parts[0].ToArray()
	if err != nil {
		return grant{}, nil, fmt.Errorf("keyed join script: %w", err)
	}
	g, err := r.readGrant(lane, given)
	if err != nil || g.status == "lost" {
		return g, open, err
	}
	if len(parts) != 1+2*len(open) {
		return grant{}, nil, fmt.Errorf("keyed join script: %d parts for %d visitors", len(parts), len(open))
	}
	var missing []int
	for at, i := range open {
		how := text(parts[1+2*at])
		if how == "none" {
			if !reqs[i].FindOnly {
				missing = append(missing, i)
			}
			continue
		}
		place, journaled, ok := readKept(text(parts[2+2*at]))
		if !ok {
			return grant{}, nil, errors.New("keyed join script: a place that cannot be read")
		}
		results[i] = keyedAnswer{place: place, had: how == "had"}
		if !journaled {
			reqs[i].note(pending, place)
		}
	}
	return g, missing, nil
}

// arguments are those of one visitor, as join_keyed.lua takes them.
func (q *keyedRequest) arguments() []string {
	like := q.Like
	like.Flags |= FlagKeyed
	own := ""
	if q.Own.Number > 0 && q.Own.Number.Lane() == q.Lane {
		kept := q.Own
		kept.Flags |= FlagKeyed
		own = keptOf(kept).text()
	}
	return []string{
		joinedKeys(q.Person), joinedKeys(q.Invite), flag(q.FindOnly), moreOf(like), own, q.old, strconv.FormatUint(q.oldPlace, 10),
	}
}

// note adds what the journal is to have of a place.
func (q *keyedRequest) note(pending map[PlaceKey]keptPlace, place keptPlace) {
	for _, keys := range [][]PlaceKey{q.Person, q.Invite} {
		if len(keys) > 0 {
			pending[keys[0]] = place
		}
	}
}

// keepKeyed journals places before anybody hears of them, and notes in Redis that it did.
func (r *Room) keepKeyed(ctx context.Context, pending map[PlaceKey]keptPlace, called []grant) error {
	records := make([][]byte, 0, len(pending)+1)
	if len(called) > 0 {
		for _, g := range called {
			records = append(records, g.record())
		}
		refreshed := r.refreshBeside(ctx)
		defer func() { <-refreshed }()
	}
	if r.deps.Journal == nil || len(pending) == 0 {
		return nil
	}
	args := make([]string, 0, 2*len(pending))
	for key, place := range pending {
		records = append(records, recordKeyed(key, place))
		args = append(args, string(key[:]), place.text())
	}
	if err := r.deps.Journal(ctx, r.saleID, records); err != nil {
		return unavailable("journal places by key of "+r.saleID, err)
	}
	status, err := keepKeysScript.Exec(ctx, r.deps.Redis, []string{r.keys[keyRoom], r.keys[keyPlaces]}, args).ToString()
	switch {
	case err != nil:
		return unavailable("note that places by key of "+r.saleID+" are journaled", err)
	case status == "lost":
		return r.lost()
	default:
		return nil
	}
}

// keyedArguments are what a restore puts back: key, value, and so on.
func (r *Restored) keyedArguments() []string {
	keys := make([]PlaceKey, 0, len(r.keyed))
	for key := range r.keyed {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b PlaceKey) int { return slices.Compare(a[:], b[:]) })
	args := make([]string, 0, 2*len(keys))
	for _, key := range keys {
		args = append(args, string(key[:]), r.keyed[key].text())
	}
	return args
}

// KeyedPlaces counts the keys whose place the journal remembers.
func (r *Restored) KeyedPlaces() int {
	if r == nil {
		return 0
	}
	return len(r.keyed)
}

// replaced notes that the key of a place got another one: its turn cannot be taken up any more.
func (r *Restored) replaced(n Number) {
	if !r.used.has(n) {
		r.used.set(n)
	}
}

// keepPlace notes a place of a key. Each one that a key gets in a lane has a higher number than the one before.
func (r *Restored) keepPlace(n [5]uint64, rest []byte) {
	number := Number(n[0])
	if len(rest) < placeKeyBytes || !number.valid() || n[1] > 1<<32-1 {
		return
	}
	more := rest[placeKeyBytes:]
	key := PlaceKey(rest[:placeKeyBytes])
	last, known := r.keyed[key]
	if len(more) > ticketBody2-ticketBody1 || !known && len(r.keyed) >= MaxKeyedPlaces {
		return
	}
	r.in(number.Lane()).raise(number.inLane())
	r.in(number.Lane()).reached(number.inLane())
	// Another node may be slow to journal a place that came before the one that is known.
	late := last.number > number
	if last.number.Lane() != number.Lane() {
		late = last.issuedMillis > int64(n[2])
	}
	if known && late {
		r.replaced(number)
		return
	}
	if known && last.number != number {
		r.replaced(last.number)
	}
	if r.keyed == nil {
		r.keyed = make(map[PlaceKey]keptPlace)
	}
	r.keyed[key] = keptPlace{number: number, epoch: uint32(n[1]), issuedMillis: int64(n[2]), more: string(more)}
}
