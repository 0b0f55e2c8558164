package queue

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
)

// Snapshot is a room as a node last saw it. It is never changed once published.
type Snapshot struct {
	// Ready says that Redis holds the room. While it is false, what else is here is the last known.
	Ready bool
	// Lost says that Redis answered and does not hold the room, or holds one that was armed on another
	// run of the server and may therefore be older.
	Lost bool
	// NowMillis is Redis TIME at the refresh, in Unix milliseconds.
	NowMillis int64
	Epoch     int64
	// Called is the watermark: places up to it have been called.
	Called   uint64
	Entrants uint64
	// Waiting counts the people who are in the line and not called yet.
	Waiting uint64
	// Outstanding are those called who have neither claimed nor left and whose window is open.
	Outstanding        uint64
	Active             int
	AdmittedLastMinute int
	// DrawCommitment is set for a draw, once it can no longer be lost. DrawSeed and DrawCount
	// follow with the draw.
	DrawCommitment string
	DrawSeed       string
	DrawCount      uint64
	Drawn          bool
	Paused         bool
	// ShowUpRate is the measured share of the called who claim, 0.1 … 1.
	ShowUpRate float64
	// RatePerMinute, MaxActive and Mode are those in force in Redis.
	RatePerMinute float64
	MaxActive     int
	Mode          sale.Mode
	// CallsPerMinute is how fast the line has moved lately; 0 while that is not known.
	CallsPerMinute float64

	anchor time.Time // the local moment of NowMillis, with its monotonic reading
	room   roomState
	draw   *Draw // nil unless places come from it
	absent *absences
	calls  []calls // open windows, by place
	pace   pace

	graces   int64           // renewed windows
	resolved map[int64]int64 // of each open window, by deadline, who came or left; the leader's alone
}

// calls is one checkpoint: places up to last, and above those of the checkpoint before, may claim
// until the deadline, in the room's own time.
type calls struct {
	last           uint64
	deadlineMillis int64
}

// roomState is the room's hash, as the scripts keep it.
type roomState struct {
	gen                                string
	seq                                int64
	mark, floor                        uint64
	base                               uint64 // the numbers above it were all given by this room
	gaps                               string // uncertain numbers; see absences
	absent                             uint64 // of those, how many are absent and not passed over
	proveUntil                         int64  // until when the line waits for them, in the room's own time
	opens, starts, ends                int64
	window, ttl                        int64
	ended                              bool
	order                              sale.Order
	pausedAt, pausedTotal              int64
	seed                               string
	commitment                         string
	seedKept, drawn, drawKept          bool
	drawCount                          uint64
	nextExpiry                         int64
	openResolved                       int64
	claimed, left, released            int64
	shown, noShow, seenShown, seenGone int64
	credit                             float64
	creditAt                           int64
	peakActive, peakMinute             int64
	capMax, rateMax                    int64
	version                            int64
	wanted                             wanted
	delay                              int64 // from the call to the claim, ms on average; below 0 when not known
}

// Now tells the time by the clock of Redis: its TIME at the refresh and what has passed since by
// the node's monotonic clock. A node whose clock is wrong, or is set, tells the right time.
func (s *Snapshot) Now() time.Time {
	return time.UnixMilli(s.nowMillis()).UTC()
}

func (s *Snapshot) nowMillis() int64 { return s.NowMillis + time.Since(s.anchor).Milliseconds() }

// runMillis is the room's own time, which stands still while the sale is paused.
func (s *Snapshot) runMillis(nowMillis int64) int64 {
	if s.room.pausedAt > 0 {
		return s.room.pausedAt - s.room.pausedTotal
	}
	return nowMillis - s.room.pausedTotal
}

// place returns a ticket's place; known is false before the draw.
func (s *Snapshot) place(n Number) (place uint64, known bool) {
	if s.draw != nil {
		return s.draw.Place(n), true
	}
	return uint64(n), s.room.order != sale.Draw
}

// placeOrZero is place as the scripts take it: 0 before the draw.
func (s *Snapshot) placeOrZero(n Number) uint64 {
	if place, known := s.place(n); known {
		return place
	}
	return 0
}

// numberAt undoes place.
func (s *Snapshot) numberAt(place uint64) Number {
	if s.draw != nil {
		return s.draw.NumberAt(place)
	}
	return Number(place)
}

// deadline returns until when, in the room's own time, a called place may claim; 0 when its window
// is closed and forgotten.
func (s *Snapshot) deadline(place uint64) int64 {
	if place <= s.room.floor {
		return 0
	}
	i := sort.Search(len(s.calls), func(i int) bool { return s.calls[i].last >= place })
	if i == len(s.calls) {
		return 0
	}
	return s.calls[i].deadlineMillis
}

// reply is a parsed answer of snapshot.lua.
type reply struct {
	exists    bool
	nowMicros int64
	state     Snapshot // with what the hash tells
	kind      string
	calls     []calls
	entries   []string // changes, or the full list of passes
	graces    []string
	used      string
	proven    []string
}

// ErrLost says that Redis does not hold the room, or holds one that was armed on another run of the
// server. It is to be restored.
var ErrLost = errors.New("redis does not hold the room")

func parseReply(res rueidis.RedisResult) (reply, error) {
	parts, err := res.ToArray()
	if err != nil {
		return reply{}, err
	}
	var r reply
	p := parser{}
	if len(parts) == 0 {
		return reply{}, fmt.Errorf("snapshot: empty answer")
	}
	r.nowMicros = p.number(text(parts[0]))
	if len(parts) == 1 {
		return r, p.err
	}
	if len(parts) < 9 {
		return reply{}, fmt.Errorf("snapshot: %d parts", len(parts))
	}
	fields, err := parts[1].AsStrSlice()
	if err != nil {
		return reply{}, fmt.Errorf("snapshot: %w", err)
	}
	r.exists = true
	r.state = p.room(fields)
	r.state.NowMillis = r.nowMicros / 1000
	r.state.Active = int(p.count(parts[2]))
	r.state.AdmittedLastMinute = int(p.count(parts[3]))
	r.state.Outstanding = outstanding(&r.state, p.count(parts[4]))
	r.state.graces = p.count(parts[4])
	r.state.resolved = p.resolved(p.texts(parts[5]))
	r.kind = text(parts[6])
	r.calls = p.calls(p.texts(parts[7]))
	r.entries = p.texts(parts[8])
	if r.kind == "full" && len(parts) >= 12 {
		r.graces, r.used, r.proven = p.texts(parts[9]), text(parts[10]), p.texts(parts[11])
	}
	return r, p.err
}

// outstanding counts the called whose window is open and who have not come: those above the floor
// who are not resolved, and those whose window was renewed.
func outstanding(s *Snapshot, graces int64) uint64 {
	return uint64(max(int64(s.Called)-int64(s.room.floor)-s.room.openResolved+graces, 0))
}

// parser reads strings from a script and keeps the first error.
type parser struct{ err error }

func (p *parser) fail(err error) {
	if p.err == nil && err != nil {
		p.err = fmt.Errorf("room state: %w", err)
	}
}

func (p *parser) number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	p.fail(err)
	return n
}

func (p *parser) unsigned(s string) uint64 { return uint64(max(p.number(s), 0)) }

func (p *parser) real(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	p.fail(err)
	return f
}

func (p *parser) count(m rueidis.RedisMessage) int64 {
	n, err := m.AsInt64()
	p.fail(err)
	return n
}

func (p *parser) texts(m rueidis.RedisMessage) []string {
	if m.IsNil() {
		return nil
	}
	list, err := m.AsStrSlice()
	p.fail(err)
	return list
}

// calls reads deadline, place pairs.
func (p *parser) calls(flat []string) []calls {
	list := make([]calls, 0, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		list = append(list, calls{last: uint64(p.real(flat[i+1])), deadlineMillis: p.number(flat[i])})
	}
	return list
}

// resolved reads field, count pairs; a field is "c" or "l" and the deadline.
func (p *parser) resolved(flat []string) map[int64]int64 {
	if len(flat) == 0 {
		return nil
	}
	counts := make(map[int64]int64, len(flat)/4)
	for i := 0; i+1 < len(flat); i += 2 {
		if len(flat[i]) > 1 {
			counts[p.number(flat[i][1:])] += p.number(flat[i+1])
		}
	}
	return counts
}

const roomFields = 49

// room reads the hash, in the order of snapshot.lua.
func (p *parser) room(f []string) Snapshot {
	if len(f) != roomFields {
		p.fail(fmt.Errorf("%d fields instead of %d", len(f), roomFields))
		return Snapshot{}
	}
	s := Snapshot{Ready: true, Epoch: p.number(f[1]), Entrants: p.unsigned(f[3]), Called: p.unsigned(f[5])}
	s.RatePerMinute, s.MaxActive = p.real(f[7]), int(p.number(f[8]))
	s.Mode, s.ShowUpRate = sale.Mode(f[15]), p.real(f[35])
	s.room = roomState{
		gen: f[0], seq: p.number(f[2]), mark: p.unsigned(f[4]), floor: p.unsigned(f[6]),
		window: p.number(f[9]), ttl: p.number(f[10]),
		opens: p.number(f[11]), starts: p.number(f[12]), ends: p.number(f[13]), ended: f[14] == "1",
		order: sale.Order(f[16]), pausedAt: p.number(f[17]), pausedTotal: p.number(f[18]),
		drawn: f[22] == "1", drawCount: p.unsigned(f[23]), nextExpiry: p.number(f[36]),
		seed: f[19], commitment: f[20], seedKept: f[21] == "1", drawKept: f[24] == "1",
		openResolved: p.number(f[25]), claimed: p.number(f[26]), left: p.number(f[27]), released: p.number(f[28]),
		shown: p.number(f[29]), noShow: p.number(f[30]), seenShown: p.number(f[31]), seenGone: p.number(f[32]),
		credit: p.real(f[33]), creditAt: p.number(f[34]),
		peakActive: p.number(f[37]), peakMinute: p.number(f[38]), capMax: p.number(f[39]), rateMax: p.number(f[40]),
		version: p.number(f[41]), delay: p.number(f[42]),
		base: p.unsigned(f[43]), gaps: f[44], absent: p.unsigned(f[45]), proveUntil: p.number(f[46]), wanted: parseWanted(f[48]),
	}
	s.Paused = s.room.pausedAt > 0
	s.Waiting = s.waiting(s.room.absent)
	return s
}

// waiting counts the people beyond the watermark, of whom absent are none.
func (s *Snapshot) waiting(absent uint64) uint64 {
	return s.Entrants - min(s.Called+absent, s.Entrants)
}

func text(m rueidis.RedisMessage) string {
	s, err := m.ToString()
	if err != nil {
		return ""
	}
	return s
}

// change is one entry of the room's log of changes.
type change struct {
	kind   byte
	number Number
	a, b   int64
}

// parseChange reads "c:<ticket>:<issued s>:<expires s>", "g:<ticket>:<deadline ms>",
// "l:<ticket>", "r:<ticket>" or "p:<ticket>".
func parseChange(entry string) (change, bool) {
	kind, rest, ok := strings.Cut(entry, ":")
	if !ok || len(kind) != 1 {
		return change{}, false
	}
	c := change{kind: kind[0]}
	var numbers [3]int64
	for i := range numbers {
		part, tail, more := strings.Cut(rest, ":")
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 0 {
			return change{}, false
		}
		numbers[i] = n
		if rest = tail; !more {
			break
		}
	}
	c.number, c.a, c.b = Number(numbers[0]), numbers[1], numbers[2]
	return c, c.number >= 1 && c.number <= maxNumber
}

// publishDraw shows of the draw what may be seen, and keeps the permutation between refreshes.
// The commitment is shown once it can no longer be lost, and the seed once the draw cannot.
func publishDraw(next, last *Snapshot) {
	if next.room.order != sale.Draw {
		return
	}
	if next.room.seedKept {
		next.DrawCommitment = next.room.commitment
	}
	if !next.room.drawn || !next.room.drawKept {
		return
	}
	if last.draw != nil && last.draw.count == next.room.drawCount && last.draw.seedText == next.room.seed {
		next.draw = last.draw
	} else if next.draw = drawFromText(next.room.seed, next.room.drawCount); next.draw == nil {
		return
	}
	next.Drawn, next.DrawCount, next.DrawSeed = true, next.room.drawCount, next.room.seed
}
