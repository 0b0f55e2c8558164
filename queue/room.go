package queue

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/batch"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// Journal appends records durably: when it returns nil they have been fsynced.
type Journal func(ctx context.Context, saleID string, records [][]byte) error

// Deps is what a room works with.
type Deps struct {
	Redis   rueidis.Client
	Tickets *TicketKeys
	Passes  *PassKeys
	// Journal may be nil: then the room is as durable as Redis.
	Journal Journal
	// Lost, which may be nil, is called when a script refused because Redis does not hold the room, or
	// holds one of another run of the server; at most once a second.
	Lost   func()
	Log    *slog.Logger
	NodeID string
	// MaxWaitingTickets bounds the line; 0 means 2,000,000.
	MaxWaitingTickets int64
}

const (
	defaultMaxWaiting = 2_000_000
	// pruneEvery is how often a node forgets lapsed passes.
	pruneEvery = 5 * time.Second
	// trustFor is how long a node acts on its snapshot without asking Redis.
	trustFor = 2 * time.Second
)

// Room is the waiting room of one sale as one node sees it. It is safe for concurrent use.
type Room struct {
	deps   Deps
	saleID string
	keys   []string // without those of lanes
	lanes  atomic.Pointer[laneTerms]
	units  atomic.Int64 // allocated to the sale, over all items
	snap   atomic.Pointer[Snapshot]
	// catalog are the items of the sale, and supply is what is left of them.
	catalog atomic.Pointer[catalog]
	supply  atomic.Pointer[supply]
	book    atomic.Pointer[book]
	joins   *batch.Combiner[Newcomer, joined]
	// keyedJoins gives places to those who come with a key.
	keyedJoins *batch.Combiner[keyedRequest, keyedAnswer]
	maxKeyed   int
	// releases gives passes back.
	releases *batch.Combiner[Number, string]
	growth   growth
	decoys   decoyNumbers
	// given are the numbers of each lane that this node knows to have been given since the room was made.
	given [MaxLane + 1]atomic.Pointer[span]

	standby      atomic.Pointer[sale.StandbyTerms] // nil unless the sale is in standby
	arrivals     atomic.Int64                      // that are not reported yet
	arrivalsTold time.Time                         // under refreshing

	shown  shown
	losses losses
	codes  codeClock

	refreshing sync.Mutex
	speed      [MaxLane + 1]speedometer // by lane
	pruned     int64

	advancing sync.Mutex
	lately    lately // under advancing
	kept      atomic.Pointer[kept]
	// places says how far the places by key are journaled again, which is done each placesEvery.
	places      atomic.Pointer[keptPlaces]
	placesEvery time.Duration

	planning sync.Mutex
	born     time.Time
	dueAt    atomic.Int64 // when an Advance can change something, ns since born
}

// OpenRoom returns the node's side of a sale's room. It knows nothing until the first Refresh.
func OpenRoom(d Deps, rec sale.Record) *Room {
	if d.MaxWaitingTickets <= 0 {
		d.MaxWaitingTickets = defaultMaxWaiting
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	r := &Room{deps: d, saleID: rec.ID, keys: roomKeys(rec.ID), placesEvery: PlacesKeptEvery}
	r.lanes.Store(newLaneTerms(rec.ID, rec.Admission.Lanes))
	r.joins = batch.New(batch.Options{MaxBatch: maxJoinBatch, MaxWaiting: maxJoinWaiting}, r.joinAll)
	r.keyedJoins, r.maxKeyed = batch.New(batch.Options{MaxBatch: keyedBatch, MaxWaiting: maxJoinWaiting}, r.joinAllKeyed), MaxKeyedPlaces
	r.releases = batch.New(batch.Options{}, r.releaseAll)
	now := time.Now()
	r.born = now
	r.kept.Store(&kept{})
	r.places.Store(&keptPlaces{})
	r.publish(&Snapshot{
		NowMillis: now.UnixMilli(), anchor: now, Epoch: rec.Epoch, ShowUpRate: 1,
		RatePerMinute: float64(rec.Admission.RatePerMinute), MaxActive: rec.Admission.MaxActive, Mode: rec.Admission.Mode,
		room: roomState{
			order: rec.Admission.Order, opens: opensMillis(rec), starts: rec.StartsAt.UnixMilli(),
			ends: rec.EndsAt.UnixMilli(), window: rec.Admission.ClaimWindow.Std().Milliseconds(),
		},
		pace: expectedPace(float64(rec.Admission.RatePerMinute), 1),
	})
	r.book.Store(newBook())
	for lane := range r.given {
		r.given[lane].Store(&span{first: 1})
	}
	r.Update(rec)
	return r
}

// Update takes over a new version of the sale. What decides is in Redis; see [Arm].
func (r *Room) Update(rec sale.Record) {
	var units int64
	skus := make([]string, len(rec.Items))
	for i, item := range rec.Items {
		units += item.Stock
		skus[i] = item.SKU
	}
	r.units.Store(units)
	r.lanes.Store(newLaneTerms(rec.ID, rec.Admission.Lanes))
	r.standby.Store(rec.Admission.Standby)
	r.catalog.Store(newCatalog(skus))
}

// Snapshot returns the room as it was last seen. It is never nil.
func (r *Room) Snapshot() *Snapshot { return r.snap.Load() }

// GateKey names the sorted set of active passes: member = pass ID, score = expiry in Unix ms. A
// pass is active while its score is above Redis TIME.
func (r *Room) GateKey() string { return r.keys[keyPasses] }

// Revoked reports whether a pass was given back, from memory. It does not know of a pass that was
// claimed since the last refresh, and does not call it revoked.
func (r *Room) Revoked(p Pass) bool {
	f := r.book.Load().facts(p.Ticket)
	return f.used && f.expiresMillis == 0
}

// HasPass reports whether a ticket has a pass in force, from memory. It does not know of one that another node gave since
// the last refresh.
func (r *Room) HasPass(n Number) bool {
	return r.book.Load().facts(n).expiresMillis > r.snap.Load().nowMillis()
}

// Close lets the joins and releases under way finish and refuses new ones.
func (r *Room) Close() {
	r.joins.Close()
	r.keyedJoins.Close()
	r.releases.Close()
}

// Refresh brings the snapshot up to date with one script call. Tickets with an uncertain number that
// were presented since the last are reported first.
func (r *Room) Refresh(ctx context.Context) error { return r.refresh(ctx, false) }

func (r *Room) refresh(ctx context.Context, leader bool) error {
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	if err := r.report(ctx); err != nil {
		r.deps.Log.Debug("tickets that were shown are not reported; the next refresh tries again", "sale", r.saleID, "error", err)
	}
	if err := r.reportArrivals(ctx); err != nil {
		r.deps.Log.Debug("arrivals are not reported; the next refresh tries again", "sale", r.saleID, "error", err)
	}
	last := r.snap.Load()
	asked := time.Now()
	terms := r.lanes.Load()
	answer, err := parseReply(snapshotScript.Exec(ctx, r.deps.Redis, terms.keys, askFor(last, terms, leader)))
	if err != nil {
		return fmt.Errorf("refresh room of %s: %w", r.saleID, err)
	}
	// Redis read its clock somewhere between question and answer; the middle errs least.
	anchor := asked.Add(time.Since(asked) / 2)
	if !answer.exists {
		r.withdraw(last, answer.nowMicros/1000, anchor)
		return nil
	}
	next := answer.state
	next.anchor = anchor
	takeCalls(&next, last, answer.kind, answer.calls)
	r.takeTickets(&next, answer)
	r.publishDraw(&next, last, answer.drawCounts())
	next.permute(last.draw)
	r.takeLane(&next, last, answer)
	r.takeLanes(&next, last, answer)
	r.measure(&next, terms)
	r.publish(&next)
	return nil
}

// takeLane brings the absent numbers of a lane up to date.
func (r *Room) takeLane(next, last *Snapshot, answer reply) {
	takeAbsences(next, last, answer)
	r.vouch(next, last)
}

// takeLanes makes the views of the priority lanes, which share all else with that of everybody.
func (r *Room) takeLanes(next, last *Snapshot, answer reply) {
	for i := range answer.lanes {
		got := &answer.lanes[i]
		one, was := &got.state, last.of(numberIn(Lane(i+1), 1))
		one.anchor, one.whole = next.anchor, next
		takeCalls(one, was, answer.kind, got.calls)
		one.shareDraw(next)
		one.permute(was.draw)
		r.takeLane(one, was, answer)
		next.lanes = append(next.lanes, one)
	}
}

// measure works out how fast each lane moves.
func (r *Room) measure(next *Snapshot, terms *laneTerms) {
	for _, lane := range next.all() {
		if lane.lane <= terms.last() {
			lane.share = terms.share(lane.lane)
		}
	}
	for _, lane := range next.all() {
		lane.pace = r.speed[lane.lane].read(lane, lane.shareOfCalls())
		if lane.pace.measured {
			next.CallsPerMinute += lane.pace.likely * 60
		}
	}
}

// shareOfCalls is the share that a lane gets of the calls beside the lanes in which somebody waits now.
func (s *Snapshot) shareOfCalls() float64 {
	total := 0.0
	for _, other := range s.all() {
		if other.lane == s.lane || other.Waiting > 0 {
			total += other.share
		}
	}
	if s.share <= 0 || total <= 0 {
		return 1
	}
	return s.share / total
}

func (r *Room) publish(s *Snapshot) {
	r.snap.Store(s)
	r.plan()
}

// askFor says to snapshot.lua what the node has already. A node that has not seen all lanes asks for everything.
func askFor(last *Snapshot, terms *laneTerms, leader bool) []string {
	if !last.Ready || len(last.lanes) != len(terms.priority) {
		args := []string{"", "0", "0", "0", flag(leader)}
		for range terms.priority {
			args = append(args, "0", "0")
		}
		return args
	}
	args := append([]string{last.room.gen, strconv.FormatInt(last.room.seq, 10)}, last.callsKnown()...)
	args = append(args, flag(leader))
	for _, lane := range last.lanes {
		args = append(args, lane.callsKnown()...)
	}
	return args
}

// callsKnown are the watermark and the place from which the open windows may have changed.
func (s *Snapshot) callsKnown() []string {
	from := uint64(0)
	if n := len(s.calls); n > 1 {
		from = s.calls[n-2].last // the last checkpoint may still grow
	}
	return []string{strconv.FormatUint(s.Called, 10), strconv.FormatUint(from, 10)}
}

// withdraw marks the snapshot as not ready and keeps what was known, so that nobody is told a
// place that is worse than the one before.
func (r *Room) withdraw(last *Snapshot, nowMillis int64, anchor time.Time) {
	next := *last
	next.Ready, next.Lost, next.NowMillis, next.anchor = false, true, nowMillis, anchor
	next.lanes = make([]*Snapshot, len(last.lanes))
	for i, lane := range last.lanes {
		one := *lane
		one.Ready, one.Lost, one.NowMillis, one.anchor, one.whole = false, true, nowMillis, anchor, &next
		next.lanes[i] = &one
	}
	r.publish(&next)
}

// takeCalls merges the checkpoints of the answer with those known. Published lists are not changed.
func takeCalls(next, last *Snapshot, kind string, got []calls) {
	known := last.calls
	switch {
	case kind == "full":
		known = nil
	case next.Called == last.Called && next.room.forgotten == last.room.forgotten:
		next.calls = known
		return
	case next.Called != last.Called && len(known) > 0:
		known = known[:len(known)-1]
	}
	merged := make([]calls, 0, len(known)+len(got))
	for _, c := range known {
		if c.last > next.room.forgotten {
			merged = append(merged, c)
		}
	}
	next.calls = append(merged, got...)
}

// takeAbsences brings the absent numbers up to date.
func takeAbsences(next, last *Snapshot, answer reply) {
	if answer.kind == "full" || next.room.gaps != last.room.gaps {
		next.absent = newAbsences(next.lane, parseSpans(next.room.gaps), numbersOf(answer.proven), next.draw)
	} else if last.absent != nil {
		var proven []Number
		for _, entry := range answer.entries {
			if c, ok := parseChange(entry); ok && c.kind == 'p' {
				proven = append(proven, c.number)
			}
		}
		next.absent = last.absent.with(proven, next.draw)
	}
	next.Waiting = next.waiting(next.absent.between(next.Called, next.Entrants))
}

// takeTickets brings the book up to date.
func (r *Room) takeTickets(next *Snapshot, answer reply) {
	run := next.runMillis(next.NowMillis)
	if answer.kind == "full" {
		r.book.Store(readBook(answer, r.book.Load()))
		return
	}
	b := r.book.Load()
	if len(answer.entries) > 0 {
		b.mu.Lock()
		for _, entry := range answer.entries {
			b.apply(entry)
		}
		b.mu.Unlock()
	}
	if next.NowMillis-r.pruned >= pruneEvery.Milliseconds() {
		r.pruned = next.NowMillis
		b.prune(next.NowMillis, run)
	}
}

func (b *book) apply(entry string) {
	c, ok := parseChange(entry)
	if !ok {
		return
	}
	switch c.kind {
	case 'c':
		b.applyClaim(c.number, c.b*1000, false)
	case 'g':
		if !b.used.has(c.number) {
			b.renewedWindows[c.number] = c.a
		}
	case 'l', 'r':
		b.applyGone(c.number)
	}
}

// readBook makes a book from a full answer. What this node has journaled stays noted.
func readBook(answer reply, old *book) *book {
	b := newBook()
	b.used[0] = bitmap(answer.used)
	for i, lane := range answer.lanes {
		b.used[i+1] = bitmap(lane.used)
	}
	old.mu.RLock()
	defer old.mu.RUnlock()
	for i := 0; i+1 < len(answer.entries); i += 2 {
		n, expires := pair(answer.entries[i], answer.entries[i+1])
		b.active[n] = activePass{expiresMillis: expires, kept: old.active[n].kept}
	}
	for i := 0; i+1 < len(answer.renewedWindows); i += 2 {
		n, until := pair(answer.renewedWindows[i], answer.renewedWindows[i+1])
		b.renewedWindows[n] = until
	}
	return b
}

func numbersOf(members []string) []Number {
	numbers := make([]Number, 0, len(members))
	for _, member := range members {
		if n, err := strconv.ParseUint(member, 10, 64); err == nil {
			numbers = append(numbers, Number(n))
		}
	}
	return numbers
}

// pair reads a member and its score.
func pair(member, score string) (Number, int64) {
	n, _ := strconv.ParseUint(member, 10, 64)
	at, _ := strconv.ParseFloat(score, 64)
	return Number(n), int64(at)
}

// unavailable words what Redis or the journal failed to do, for the visitor; the cause stays in the
// chain for the log.
func unavailable(what string, err error) error {
	return fmt.Errorf("%s: %w: %w", what, problem.Unavailable, err)
}
