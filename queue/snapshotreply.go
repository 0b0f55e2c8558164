package queue

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
)

// reply is a parsed answer of snapshot.lua.
type reply struct {
	exists         bool
	nowMicros      int64
	state          Snapshot // with what the hash tells
	kind           string
	calls          []calls
	entries        []string // changes, or the full list of passes
	renewedWindows []string
	used           string
	proven         []string
	lanes          []laneReply // the priority lanes
}

// laneReply is what snapshot.lua tells of a priority lane.
type laneReply struct {
	state Snapshot
	calls []calls
	used  string
}

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
	if len(parts) < 10 {
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
	minute := p.counts(parts[3], 2)
	r.state.AdmittedLastMinute, r.state.leavingMinute = int(minute[0]), int(minute[1])
	r.state.Outstanding = outstanding(&r.state, p.count(parts[4]))
	r.state.renewedWindows = p.count(parts[4])
	resolved := p.resolved(p.texts(parts[5]))
	r.state.resolved = resolved[0]
	r.kind = text(parts[6])
	r.calls = p.calls(p.texts(parts[7]))
	r.entries = p.texts(parts[8])
	if r.kind == "full" && len(parts) >= 13 {
		r.renewedWindows, r.used, r.proven = p.texts(parts[10]), text(parts[11]), p.texts(parts[12])
	}
	if lanes, err := parts[9].ToArray(); err == nil && len(lanes) > 0 {
		r.lanes = p.lanes(&r.state, lanes, resolved)
	}
	return r, p.err
}

// lanes reads fields, open windows and bitmap of each priority lane.
func (p *parser) lanes(whole *Snapshot, parts []rueidis.RedisMessage, resolved map[Lane]map[int64]outcome) []laneReply {
	lanes := make([]laneReply, 0, len(parts)/3)
	for i := 0; i+2 < len(parts) && len(lanes) < int(MaxLane); i += 3 {
		f, number := p.texts(parts[i]), Lane(len(lanes)+1)
		if len(f) != laneFields {
			p.fail(fmt.Errorf("%d fields of a lane instead of %d", len(f), laneFields))
			return nil
		}
		s := *whole.emptyLane(number)
		s.Entrants, s.room.mark, s.Called, s.room.floor = p.unsigned(f[0]), p.unsigned(f[1]), p.unsigned(f[2]), p.unsigned(f[3])
		s.room.openResolved, s.room.base, s.room.gaps = p.number(f[4]), p.unsigned(f[5]), f[6]
		s.room.absent, s.room.gone, s.room.owed = p.unsigned(f[7]), p.unsigned(f[8]), p.real(f[9])
		s.room.drawCount, s.room.forgotten = uint64(p.later(f[10])), uint64(p.later(f[11]))
		s.Outstanding, s.resolved = outstanding(&s, 0), resolved[number]
		s.Waiting = s.waiting(s.room.absent)
		lanes = append(lanes, laneReply{state: s, calls: p.calls(p.texts(parts[i+1])), used: text(parts[i+2])})
	}
	return lanes
}

const laneFields = 12

// outstanding counts the called whose window is open and who have not come: those above the floor
// who are not resolved, and those whose window was renewed.
func outstanding(s *Snapshot, renewedWindows int64) uint64 {
	return uint64(max(int64(s.Called)-int64(s.room.floor)-s.room.openResolved+renewedWindows, 0))
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

// later reads a number that a room of an earlier version does not have.
func (p *parser) later(s string) int64 {
	if s == "" {
		return 0
	}
	return max(p.number(s), 0)
}

func (p *parser) real(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	p.fail(err)
	return f
}

// maybe reads a number that a room of an earlier version does not have.
func (p *parser) maybe(s string) float64 {
	if s == "" {
		return 0
	}
	return p.real(s)
}

func (p *parser) count(m rueidis.RedisMessage) int64 {
	n, err := m.AsInt64()
	p.fail(err)
	return n
}

// counts reads a list of n counts.
func (p *parser) counts(m rueidis.RedisMessage, n int) []int64 {
	list, err := m.AsIntSlice()
	if p.fail(err); len(list) != n {
		p.fail(fmt.Errorf("%d counts instead of %d", len(list), n))
		return make([]int64, n)
	}
	return list
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

// resolved reads field, count pairs; a field is "c" or "l" and the deadline, behind "1:" or so in a priority lane.
func (p *parser) resolved(flat []string) map[Lane]map[int64]outcome {
	lanes := make(map[Lane]map[int64]outcome)
	for i := 0; i+1 < len(flat); i += 2 {
		lane, field := Lane(0), flat[i]
		if of, rest, found := strings.Cut(field, ":"); found {
			lane, field = Lane(p.number(of)), rest
		}
		if len(field) < 2 {
			continue
		}
		counts := lanes[lane]
		if counts == nil {
			counts = make(map[int64]outcome)
			lanes[lane] = counts
		}
		deadline, n := p.number(field[1:]), p.number(flat[i+1])
		o := counts[deadline]
		if field[0] == 'c' {
			o.came += n
		} else {
			o.left += n
		}
		counts[deadline] = o
	}
	return lanes
}

const roomFields = 68

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
		plan: f[49], frozenAt: p.later(f[50]), round: uint64(p.later(f[51])), countKept: p.later(f[52]),
		drawBeacon: f[53], drawShares: f[54], drawFinal: f[55], limitsAt: p.later(f[56]),
		base: p.unsigned(f[43]), gaps: f[44], absent: p.unsigned(f[45]), proveUntil: p.number(f[46]),
		wanted: parseWanted(f[48]), gone: p.unsigned(f[57]),
		standby: f[59] == "1", arrivals: p.number(f[60]), lookedAt: p.number(f[61]), calmSince: p.number(f[62]),
		owed: p.maybe(f[63]), lanes: int(p.later(f[64])), late: p.later(f[65]), lateWindow: p.later(f[66]), forgotten: uint64(p.later(f[67])),
	}
	s.Paused = s.room.pausedAt > 0
	s.Waiting = s.waiting(s.room.absent)
	return s
}

func text(m rueidis.RedisMessage) string {
	s, err := m.ToString()
	if err != nil {
		return ""
	}
	return s
}
