package queue

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"

	"github.com/penstock/penstock/internal/sale"
)

// keptFact is what is noted of a sale beside its line: the plan of its draw, the limits in force, or when the count
// of entrants was published, in ms.
type keptFact struct {
	Plan      *string     `json:"plan,omitempty"`
	Limits    *keptLimits `json:"limits,omitempty"`
	Published int64       `json:"count_published_ms,omitempty"`
}

// keptLimits are the limits that are in force from a moment on.
type keptLimits struct {
	AtMillis      int64     `json:"at_ms"` // 0 when it is not known
	RatePerMinute int64     `json:"rate_per_minute"`
	MaxActive     int64     `json:"max_active"`
	Mode          sale.Mode `json:"mode"`
}

func recordLimits(s *Snapshot) []byte {
	limits := keptLimits{AtMillis: s.room.limitsAt, RatePerMinute: int64(s.RatePerMinute), MaxActive: int64(s.MaxActive), Mode: s.Mode}
	return append(record(kindFact, uint64(s.Epoch)), compact(keptFact{Limits: &limits})...)
}

// keptPart is a part of a draw that has come: the share of one party, or, once it is decided, all that entered.
type keptPart struct {
	Party *int   `json:"party,omitempty"`
	Share string `json:"share,omitempty"`
	Final string `json:"final,omitempty"`
}

func recordPlan(epoch int64, plan string) []byte {
	return append(record(kindFact, uint64(epoch)), compact(keptFact{Plan: &plan})...)
}

func recordFrozen(s *Snapshot) []byte {
	counts := s.drawCounts()
	numbers := append([]uint64{uint64(s.Epoch), counts.in(0), uint64(s.room.frozenAt), s.room.round}, counts[1:]...)
	return record(kindFrozen, numbers...)
}

// recordPublished returns nil when it is not known when the count was published: a room that was restored takes the
// moment at which it was frozen for it.
func recordPublished(s *Snapshot) []byte {
	if s.room.countKept <= s.room.frozenAt {
		return nil
	}
	return append(record(kindFact, uint64(s.Epoch)), compact(keptFact{Published: s.room.countKept})...)
}

func recordShare(epoch int64, party int, share string) []byte {
	return append(record(kindPart, uint64(epoch)), compact(keptPart{Party: &party, Share: share})...)
}

func recordFinal(epoch int64, final string) []byte {
	return append(record(kindPart, uint64(epoch)), compact(keptPart{Final: final})...)
}

// recordsOfDraw are those that bring the draw back to where it is.
func recordsOfDraw(s *Snapshot) [][]byte {
	if s.room.order != sale.Draw || !s.room.seedKept {
		return nil
	}
	if s.room.drawKept && s.room.drawFinal == "" { // made by an earlier version
		return [][]byte{recordDraw(s.room.seed, true, s.room.drawCount)}
	}
	records := [][]byte{recordDraw(s.room.seed, false, 0), recordPlan(s.Epoch, s.room.plan)}
	if s.room.countKept == 0 {
		return records
	}
	records = append(records, recordFrozen(s))
	if published := recordPublished(s); published != nil {
		records = append(records, published)
	}
	if s.room.drawKept {
		return append(records, recordFinal(s.Epoch, s.room.drawFinal))
	}
	for i, share := range s.room.parts().Shares {
		if share != "" {
			records = append(records, recordShare(s.Epoch, i, share))
		}
	}
	return records
}

// drawJournaled is what the journal knows of a draw besides the seed and whether it was made. What a later epoch of
// the room says counts more than what an earlier one says: a record of the earlier one may have been written late,
// and nobody was shown what it says.
type drawJournaled struct {
	plan      string
	planEpoch int64
	frozen    bool
	counts    drawCounts
	frozenAt  int64
	published int64 // when the count was; 0 when that is not known
	round     uint64
	epoch     int64 // of the counts
	shares    [sale.MaxShares]string
	final     string
	done      bool
	doneEpoch int64
}

func (d *drawJournaled) takeFact(epoch int64, text []byte) {
	var fact keptFact
	if json.Unmarshal(text, &fact) != nil {
		return
	}
	if fact.Published > 0 && (d.published == 0 || fact.Published < d.published) {
		d.published = fact.Published
	}
	if fact.Plan == nil || epoch < d.planEpoch {
		return
	}
	if _, err := readPlan(*fact.Plan); err == nil {
		d.plan, d.planEpoch = *fact.Plan, epoch
	}
}

// takeFrozen notes the counts; lanes are those of the priority lanes, as recordFrozen wrote them. Of one epoch, the
// later round counts: it was chosen when it was too late for the other.
func (d *drawJournaled) takeFrozen(epoch int64, count uint64, atMillis int64, round uint64, lanes []byte) {
	if d.frozen && (epoch < d.epoch || epoch == d.epoch && round < d.round) {
		return
	}
	counts := drawCounts{min(count, maxNumber)}
	for len(lanes) > 0 && len(counts) <= int(MaxLane) {
		count, size := binary.Uvarint(lanes)
		if size <= 0 {
			return // cut off: who takes part is not known
		}
		counts, lanes = append(counts, min(count, maxNumber)), lanes[size:]
	}
	d.frozen, d.epoch, d.counts, d.frozenAt, d.round = true, epoch, counts, atMillis, round
}

func (d *drawJournaled) takePart(epoch int64, text []byte) {
	var part keptPart
	if json.Unmarshal(text, &part) != nil {
		return
	}
	if part.Party != nil && *part.Party >= 0 && *part.Party < len(d.shares) && isHex(part.Share, shareBytes) {
		d.shares[*part.Party] = part.Share
	}
	if part.Final == "" || d.done && epoch < d.doneEpoch {
		return
	}
	if _, err := readParts(part.Final); err == nil {
		d.final, d.done, d.doneEpoch = part.Final, true, epoch
	}
}

func isHex(text string, size int) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == size
}

// sharesText is as Redis holds it.
func (d *drawJournaled) sharesText() string {
	text := ""
	for i, share := range d.shares {
		if share == "" {
			continue
		}
		if text != "" {
			text += " "
		}
		text += decimal(int64(i)) + "=" + share
	}
	return text
}

// takeSeed reads what is noted of the server's part, and, by an earlier version, that the draw was made.
func (r *Restored) takeSeed(seed []byte, drawn bool, count uint64) {
	if len(seed) != seedBytes || r.early.done {
		return
	}
	r.Seed = append([]byte(nil), seed...)
	if drawn {
		r.early = earlyDraw{done: true, counts: drawCounts{min(count, maxNumber)}}
	}
}

// earlyDraw is one that was made by an earlier version.
type earlyDraw struct {
	done   bool
	counts drawCounts
}

// settleDraw says how far the draw is, from all that was read.
func (r *Restored) settleDraw() {
	switch {
	case r.Seed == nil:
	case r.early.done:
		r.Drawn, r.counts, r.rite = true, r.early.counts, drawJournaled{}
	case r.rite.frozen:
		r.Drawn, r.counts = r.rite.done, r.rite.counts
	}
}

// restoredDraw is what arm.lua takes of the draw.
func (r *Restored) restoredDraw() []string {
	d := &r.rite
	frozen := r.Seed != nil && (r.Drawn || d.frozen)
	countKept := int64(0)
	if frozen {
		countKept = max(d.frozenAt, d.published, 1)
	}
	final := ""
	if r.Drawn {
		final = d.final
	}
	return []string{
		"kept_plan", d.plan, "drawn", flag(frozen), "frozen_at", decimal(d.frozenAt),
		"round", decimal(int64(d.round)), "count_kept", decimal(countKept), "shares", d.sharesText(), "final", final, "draw_kept", flag(r.Drawn),
	}
}
