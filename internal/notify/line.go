package notify

import (
	"container/heap"
	"slices"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

const (
	// tripAfter failures in a row, a receiver is left alone for breakerOpen.
	tripAfter   = 10
	breakerOpen = 3 * time.Second
)

// line are those of one sale who asked to be told.
type line struct {
	saleID    string
	known     map[itemKey]*item
	receivers map[string]*receiver
	finished  []int64 // what is to be removed from the ledger
	// seed is that of the draw by which the places are known.
	seed   string
	placed bool
}

type itemKey struct {
	ticket int64
	way    Way
}

// item is one wish. What is personal stays in the ledger until it is needed.
type item struct {
	itemKey
	seq      int64
	place    uint64
	index    int // among those of its receiver who wait; -1 elsewhere
	attempts int
	after    time.Time // no earlier than that, for a further attempt
}

// receiver is one that gets calls: a push service, or the shop. A slow one delays no other.
type receiver struct {
	name    string
	waiting [queue.MaxLane + 1]places // by lane
	again   []*item                   // called before, and to be told later
	busy    int                       // calls under way
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	warned  bool // of what can never be sent
}

func newLine(saleID string) *line {
	return &line{saleID: saleID, known: make(map[itemKey]*item), receivers: make(map[string]*receiver)}
}

func (l *line) receiver(name string) *receiver {
	r := l.receivers[name]
	if r == nil {
		r = &receiver{name: name, breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Name: name, MaxRequests: 1, Timeout: breakerOpen,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
		})}
		l.receivers[name] = r
	}
	return r
}

// lane are those who wait in the lane of an item.
func (r *receiver) lane(it *item) *places {
	return &r.waiting[min(queue.Number(it.ticket).Lane(), queue.MaxLane)]
}

func (l *line) busy() bool {
	for _, r := range l.receivers {
		if r.busy > 0 {
			return true
		}
	}
	return false
}

// add takes up a wish, in the place of an earlier one of the ticket and way. The entry may be nil.
func (l *line) add(row *ledger.Notification, entry *salecache.Entry) {
	key := itemKey{ticket: row.Ticket, way: Way(row.Way)}
	if old := l.known[key]; old != nil {
		l.drop(old)
	}
	it := &item{itemKey: key, seq: row.Seq, place: uint64(row.Ticket), index: -1}
	if entry != nil && l.placed {
		it.place = placeOf(entry, l.saleID, it)
	}
	l.known[key] = it
	heap.Push(l.receiver(row.Receiver).lane(it), it)
}

// drop takes an item out of its receiver, wherever it is there. A call under way goes on.
func (l *line) drop(it *item) {
	for _, r := range l.receivers {
		if waiting := r.lane(it); it.index >= 0 && it.index < len(*waiting) && (*waiting)[it.index] == it {
			heap.Remove(waiting, it.index)
			return
		}
		r.again = slices.DeleteFunc(r.again, func(other *item) bool { return other == it })
	}
}

func (l *line) forget(it *item) {
	if l.known[it.itemKey] == it {
		delete(l.known, it.itemKey)
	}
}

// follow works out the places anew after the draw.
func (l *line) follow(entry *salecache.Entry) {
	seed := entry.Room().Snapshot().DrawSeed
	if l.placed && seed == l.seed {
		return
	}
	l.placed, l.seed = true, seed
	for _, r := range l.receivers {
		for lane := range r.waiting {
			for _, it := range r.waiting[lane] {
				it.place = placeOf(entry, l.saleID, it)
			}
			heap.Init(&r.waiting[lane])
		}
	}
}

// look asks the waiting room how the holder of a ticket stands. That the number was given is thereby known to the
// room, which may be in doubt after a loss of Redis: nobody else could have asked to be told.
func look(entry *salecache.Entry, saleID string, it *item) queue.View {
	return entry.Room().Look(queue.Ticket{Sale: saleID, Number: queue.Number(it.ticket)}, entry.Phase(), entry.HeldOut())
}

func placeOf(entry *salecache.Entry, saleID string, it *item) uint64 {
	if v := look(entry, saleID, it); v.PlaceKnown {
		return v.Place
	}
	return uint64(it.ticket)
}

// take returns those whom the receiver may be told of now, and has finish called for those who need not be told any
// more.
func (l *line) take(r *receiver, entry *salecache.Entry, finish func(*item, verdict)) []*item {
	free := callsAtOnce - r.busy
	switch r.breaker.State() {
	case gobreaker.StateOpen:
		free = 0
	case gobreaker.StateHalfOpen:
		free = min(free, 1-min(r.busy, 1))
	}
	if free <= 0 {
		return nil
	}
	due := r.takeAgain(free)
	for lane := range r.waiting {
		due = l.takeCalled(&r.waiting[lane], due, free, entry, finish)
	}
	return due
}

// takeCalled adds those of a lane who are called, up to most in all.
func (l *line) takeCalled(waiting *places, due []*item, most int, entry *salecache.Entry, finish func(*item, verdict)) []*item {
	for len(due) < most && len(*waiting) > 0 {
		first := (*waiting)[0]
		switch state := look(entry, l.saleID, first).State; state {
		case queue.Called:
			due = append(due, first)
		case queue.Admitted, queue.Missed, queue.Ended:
			finish(first, verdictOf(state))
		default:
			return due
		}
		heap.Pop(waiting)
	}
	return due
}

// takeAgain takes up to most of those whose further attempt is due.
func (r *receiver) takeAgain(most int) (due []*item) {
	now := time.Now()
	r.again = slices.DeleteFunc(r.again, func(it *item) bool {
		if len(due) == most || now.Before(it.after) {
			return false
		}
		due = append(due, it)
		return true
	})
	return due
}

// later has an item tried again after a pause.
func (r *receiver) later(it *item, pause time.Duration) {
	it.after = time.Now().Add(pause)
	r.again = append(r.again, it)
}

// places is a heap, the smallest place first.
type places []*item

func (p places) Len() int           { return len(p) }
func (p places) Less(i, j int) bool { return p[i].place < p[j].place }
func (p places) Swap(i, j int) {
	p[i], p[j] = p[j], p[i]
	p[i].index, p[j].index = i, j
}

// Push implements heap.Interface.
func (p *places) Push(x any) {
	it := x.(*item)
	it.index = len(*p)
	*p = append(*p, it)
}

// Pop implements heap.Interface.
func (p *places) Pop() any {
	last := len(*p) - 1
	it := (*p)[last]
	(*p)[last] = nil
	*p, it.index = (*p)[:last], -1
	return it
}
