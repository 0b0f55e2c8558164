package reservation

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Counts are the units of an item. Allocated = Available − Owed + Held + Sold + Withheld at any moment.
type Counts struct {
	SKU       string
	Allocated int64
	// Available units can be reserved; never below zero.
	Available int64
	Held      int64
	Sold      int64
	// Withheld are the units of orders that failed and were not returned to the stock.
	Withheld int64
	// Owed units were sold beyond what was allocated, by the ledger's word or because a share of the
	// stock became smaller. The pool has nothing available until they have come back. It is 0 otherwise.
	Owed int64
}

// adds reports whether the units add up to those that are allocated.
func (c *Counts) adds() bool { return c.Allocated == c.Available-c.Owed+c.Held+c.Sold+c.Withheld }

func (c *Counts) add(other Counts) {
	c.Allocated += other.Allocated
	c.Available += other.Available
	c.Held += other.Held
	c.Sold += other.Sold
	c.Withheld += other.Withheld
	c.Owed += other.Owed
}

// Snapshot is a whole stock at one moment of Redis' clock.
type Snapshot struct {
	NowMillis int64
	Epoch     int64
	Version   int64 // of the sale's terms in Redis
	// Ready: the stock was armed on the run of the server that holds it, and may be used.
	Ready bool
	// Lost: Redis was read and the stock there is not ready: it is missing, wiped, half armed, or of
	// another run of the server. A snapshot that is neither Ready nor Lost has not been read yet.
	Lost bool
	// Items are in the order of the sale, all channels together.
	Items []Counts
	// Channels are the same by channel; without channels there is the one name "".
	Channels map[string][]Counts
	// Reservations hold units now; Outbox orders are not yet known to be durable.
	Reservations, Outbox int64
	// NextDueMillis is when the next hold lapses or a pass is over that has reserved, which may be the case
	// already; 0 when there is neither. Until then Expire finds nothing to do.
	NextDueMillis int64
	// Made is the position after the last entry of the list of reservations, which names MadeEntries of
	// them; the position grows with each reservation, and when an older one goes to the end of the list.
	Made, MadeEntries int64
	// ArmedMillis is when the stock was armed.
	ArmedMillis int64
	// Orders were confirmed since the stock was armed; Repaired of them by the ledger's word, and
	// Forced units were taken for orders whose reservation was gone. Returned holds lapsed or were given back.
	Orders, Repaired, Forced, Returned int64
	// Ends is when the holds end, in the order of Items. It is nil while every item has units that are free, and
	// may be a second old.
	Ends []HoldEnds
	// Aside are the units that are set aside, by item; most of the time there are none.
	Aside          []Lot
	endsReadMillis int64
}

// Snapshot returns what Refresh read last. It is never nil and must not be changed.
func (s *Stock) Snapshot() *Snapshot { return s.snapshot.Load() }

// Refresh reads the stock and resets the sold-out latch to what it finds. It costs one script call.
func (s *Stock) Refresh(ctx context.Context) error {
	s.refresh.Lock()
	defer s.refresh.Unlock()
	p := s.plan.Load()
	turn := p.turn.Load()
	raw, err := readStock(ctx, s.deps.Redis, s.keys)
	if err != nil {
		return failed("refresh stock", err)
	}
	snap := raw.snapshot(p)
	snap.Ends = s.endsOf(ctx, p, snap, s.snapshot.Load())
	s.snapshot.Store(snap)
	s.readAt.Store(int64(time.Since(s.born)))
	for i := range p.pools {
		one := &p.pools[i]
		left, known := raw.fields["available|"+one.name]
		if empty := snap.Ready && known && left <= 0; empty {
			one.seen.Store(turn)
			one.empty.Store(true)
		} else {
			one.seen.Store(0)
			one.empty.Store(false)
		}
	}
	s.memory.follow(s, p, snap)
	return nil
}

// SoldOut reports from memory whether nothing at all is left of one of the lines. It takes no
// lock and allocates nothing. It errs on the side of false: when the last snapshot is older than
// a second, and for what it does not know.
//
// Reserve looks here by itself and still answers the repetition of a request that succeeded; a
// caller that asks first loses that.
func (s *Stock) SoldOut(lines []Line, channel string) bool {
	p := s.plan.Load()
	c, ok := p.channel(channel)
	if !ok || !s.fresh() {
		return false
	}
	horizon := s.horizon()
	for i := range lines {
		if item, ok := p.items[lines[i].SKU]; ok && p.pool(item, c).gone(horizon, (*pool).isEmpty) {
			return true
		}
	}
	return false
}

// horizon is a moment that is surely not before the present one of Redis' clock, while the snapshot is fresh:
// whether a spill-over is in force is for the script to say, so one that may be is no reason to refuse.
func (s *Stock) horizon() int64 { return s.snapshot.Load().NowMillis + 2*snapshotFresh.Milliseconds() }

// held reports whether units of a pool are held.
func (snap *Snapshot) held(one *pool) bool {
	for _, c := range snap.Channels[channelOf(one.channel)] {
		if c.SKU == one.sku {
			return c.Held > 0
		}
	}
	return false
}

func (s *Stock) fresh() bool {
	return int64(time.Since(s.born))-s.readAt.Load() < int64(snapshotFresh)
}

// rawStock is the answer of snapshot.lua.
type rawStock struct {
	state                           int64
	now, due, outbox, made, nextDue int64
	fields                          map[string]int64  // the counters and times
	pools                           map[string]string // SKU → channels
	aside                           map[string]string // pool → lots; nil when nothing is set aside
}

var errSnapshot = errors.New("reservation: the stock in redis cannot be read")

func readStock(ctx context.Context, client rueidis.Client, k keys) (*rawStock, error) {
	answer, err := snapshotScript.Exec(ctx, client, []string{k.stock, k.due, k.outbox, k.made}, nil).ToArray()
	if err != nil {
		return nil, err
	}
	if len(answer) != 7 {
		return nil, errSnapshot
	}
	flat, err := answer[6].AsStrSlice()
	if err != nil {
		return nil, err
	}
	numbers, err := integers(answer[:6])
	if err != nil {
		return nil, err
	}
	raw := &rawStock{
		state: numbers[0], now: numbers[1], due: numbers[2], outbox: numbers[3], made: numbers[4], nextDue: numbers[5],
	}
	raw.read(flat)
	return raw, nil
}

// read takes the fields of the stock and their values in turn.
func (raw *rawStock) read(flat []string) {
	raw.fields, raw.pools = make(map[string]int64, len(flat)/2), make(map[string]string)
	for i := 0; i+1 < len(flat); i += 2 {
		if sku, ok := strings.CutPrefix(flat[i], "pools|"); ok {
			raw.pools[sku] = flat[i+1]
		} else if name, ok := strings.CutPrefix(flat[i], "aside|"); ok {
			if raw.aside == nil {
				raw.aside = make(map[string]string)
			}
			raw.aside[name] = flat[i+1]
		} else if n, err := strconv.ParseInt(flat[i+1], 10, 64); err == nil {
			raw.fields[flat[i]] = n
		}
	}
}

func (raw *rawStock) ready() bool { return raw.state == answerOK }

func integers(messages []rueidis.RedisMessage) ([]int64, error) {
	out := make([]int64, len(messages))
	for i := range messages {
		n, err := messages[i].AsInt64()
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

func (raw *rawStock) counts(sku, channel string) Counts {
	name := "|" + sku + "|" + channel
	left := raw.fields["available"+name]
	return Counts{
		SKU: sku, Allocated: raw.fields["allocated"+name], Available: max(0, left), Owed: max(0, -left),
		Held: raw.fields["held"+name], Sold: raw.fields["sold"+name], Withheld: raw.fields["withheld"+name],
	}
}

func (raw *rawStock) snapshot(p *plan) *Snapshot {
	snap := &Snapshot{
		NowMillis: raw.now, Epoch: raw.fields["epoch"], Version: raw.fields["version"], Ready: raw.ready(), Lost: !raw.ready(), NextDueMillis: raw.nextDue,
		Reservations: raw.due - raw.fields["bound"], Outbox: raw.outbox, Made: raw.fields["made_head"] + raw.made, MadeEntries: raw.made, ArmedMillis: raw.fields["armed_ms"],
		Orders: raw.fields["orders"], Repaired: raw.fields["repaired"], Forced: raw.fields["forced"], Returned: raw.fields["returned"],
		Items: make([]Counts, len(p.rec.Items)), Channels: make(map[string][]Counts, len(p.names)),
	}
	snap.Aside = raw.lots(p)
	for _, name := range p.names {
		snap.Channels[name] = make([]Counts, len(p.rec.Items))
	}
	for i, item := range p.rec.Items {
		snap.Items[i].SKU = item.SKU
		for _, name := range p.names {
			snap.Channels[name][i].SKU = item.SKU
		}
		for word := range strings.SplitSeq(raw.pools[item.SKU], ",") {
			counts := raw.counts(item.SKU, word)
			snap.Items[i].add(counts)
			if of, ok := snap.Channels[channelOf(word)]; ok {
				of[i] = counts
			}
		}
	}
	return snap
}

// total adds up an item's pools, those of former channels too.
func (raw *rawStock) total(sku string) Counts {
	sum := Counts{SKU: sku}
	for word := range strings.SplitSeq(raw.pools[sku], ",") {
		sum.add(raw.counts(sku, word))
	}
	return sum
}
