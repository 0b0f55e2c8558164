package queue

import (
	"encoding/hex"
	"time"

	"github.com/penstock/penstock/internal/beacon"
	"github.com/penstock/penstock/internal/sale"
)

// DrawFacts are what everybody may know of a draw, each from its moment on. With them anyone can work out the
// places again.
type DrawFacts struct {
	// Commitment is the SHA-256 of Seed, from when the room opens.
	Commitment string `json:"commitment"`
	// Seed is the server's part, from the draw on.
	Seed string `json:"seed,omitempty"`
	// Count is how many took part, from the start on, before the seed is shown.
	Count *uint64 `json:"count,omitempty"`
	// Lanes are the parts of Count in a sale with priority lanes: first of the lane of everybody, then of each other.
	Lanes []uint64 `json:"lanes,omitempty"`
	// FrozenAt is when the count was frozen, and PublishedAt when it was published.
	FrozenAt    time.Time `json:"frozen_at,omitzero"`
	PublishedAt time.Time `json:"count_published_at,omitzero"`
	// Beacon and Shares are what else enters.
	Beacon *BeaconFacts `json:"beacon,omitempty"`
	Shares []ShareFacts `json:"shares,omitempty"`
	// WaitSeconds is how long a part is waited for, and IfMissing what happens then.
	WaitSeconds float64        `json:"wait_seconds,omitempty"`
	IfMissing   sale.IfMissing `json:"if_missing,omitempty"`
	// CompletedSeed is that from which the places come, from the draw on. Without beacon and shares it is Seed.
	CompletedSeed string `json:"completed_seed,omitempty"`
}

// BeaconFacts are those of a public beacon.
type BeaconFacts struct {
	ChainHash     string            `json:"chain_hash"`
	PublicKey     string            `json:"public_key"`
	Scheme        sale.BeaconScheme `json:"scheme"`
	PeriodSeconds float64           `json:"period_seconds"`
	GenesisAt     time.Time         `json:"genesis_at"`
	MarginSeconds float64           `json:"margin_seconds"`
	// Round is that which enters, and RoundAt when it is published. PlannedRound is the one that was fixed
	// beforehand; another is used only when the count was published too late for it.
	Round        uint64    `json:"round"`
	RoundAt      time.Time `json:"round_at"`
	PlannedRound uint64    `json:"planned_round"`
	Signature    string    `json:"signature,omitempty"`
	Randomness   string    `json:"randomness,omitempty"`
	Missing      bool      `json:"missing,omitempty"` // the draw was made without it
}

// ShareFacts are those of the share of a party.
type ShareFacts struct {
	sale.Share
	Value   string `json:"share,omitempty"` // in hex
	Missing bool   `json:"missing,omitempty"`
}

// Fits reports whether the value is the one whose commitment was published.
func (s ShareFacts) Fits() bool { return fitsCommitment(s.Value, s.Commitment) }

// drawFacts puts together what is known. What is zero is left out.
type drawKnown struct {
	saleID            string
	commitment, seed  string // seed is "" until the draw is made
	counted           bool
	counts            drawCounts
	frozen, published int64 // ms
	startsMillis      int64
	plan              drawPlan
	round             uint64
	parts             drawParts
	drawn             bool
}

func (k drawKnown) facts() *DrawFacts {
	f := &DrawFacts{Commitment: k.commitment, WaitSeconds: seconds(k.plan.WaitMillis), IfMissing: k.plan.IfMissing}
	if k.counted {
		whole := k.counts.whole()
		f.Count, f.Lanes, f.FrozenAt, f.PublishedAt = &whole, k.counts.byLane(), moment(k.frozen), moment(k.published)
	}
	if b := k.plan.Beacon; b != nil {
		f.Beacon = k.beaconFacts(b)
	}
	for i, share := range k.plan.Shares {
		one := ShareFacts{Share: share}
		if k.drawn {
			one.Value, one.Missing = k.parts.share(i), k.parts.share(i) == ""
		}
		f.Shares = append(f.Shares, one)
	}
	if k.drawn {
		f.Seed = k.seed
		if seed, err := hex.DecodeString(k.seed); err == nil && len(seed) == seedBytes {
			f.CompletedSeed = hex.EncodeToString(completedSeed(k.saleID, seed, k.counts, k.plan, k.parts))
		}
	}
	return f
}

func (k drawKnown) beaconFacts(b *beaconPlan) *BeaconFacts {
	planned := b.planned(k.startsMillis)
	round := k.round
	if round == 0 {
		round = planned
	}
	f := &BeaconFacts{
		ChainHash: b.ChainHash, PublicKey: b.PublicKey, Scheme: b.Scheme, PeriodSeconds: seconds(b.PeriodMillis),
		GenesisAt: moment(b.GenesisMillis), MarginSeconds: seconds(b.MarginMillis),
		Round: round, RoundAt: moment(b.at(round)), PlannedRound: planned,
	}
	if k.drawn {
		f.Signature, f.Missing = k.parts.Signature, k.parts.Signature == ""
		if !f.Missing {
			f.Randomness = beacon.Randomness(f.Signature)
		}
	}
	return f
}

func seconds(millis int64) float64 { return float64(millis) / 1000 }

func moment(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

// publishDraw shows of the draw what may be seen. The commitment is shown once it can no longer be lost, then the
// counts, and the seed once the draw cannot. The counts that Redis has are nil when not all lanes are known: then this
// node knows nothing of the draw yet.
func (r *Room) publishDraw(next, last *Snapshot, counts drawCounts) {
	if next.room.order != sale.Draw || !next.room.seedKept || counts == nil {
		return
	}
	if last.DrawFacts != nil && last.room.sameDraw(&next.room) {
		next.shareDraw(last)
		return
	}
	plan, err := readPlan(next.room.plan)
	if err != nil {
		return
	}
	next.DrawCommitment = next.room.commitment
	drawn := next.room.drawn && next.room.drawKept
	if next.DrawCounted = next.room.drawn && (drawn || next.room.countKept > 0); next.DrawCounted {
		next.DrawCount, next.counts = counts.whole(), counts
	}
	k := drawKnown{
		saleID: r.saleID, commitment: next.room.commitment, counted: next.DrawCounted, counts: next.counts,
		frozen: next.room.frozenAt, published: next.room.countKept, startsMillis: next.room.starts, plan: plan, round: next.room.round,
	}
	next.DrawFacts = k.facts()
	if !drawn {
		return
	}
	if k.parts, err = readParts(next.room.drawFinal); err != nil {
		return
	}
	k.seed, k.drawn = next.room.seed, true
	if facts := k.facts(); facts.CompletedSeed != "" {
		next.Drawn, next.DrawSeed, next.DrawFacts = true, next.room.seed, facts
	}
}

// shareDraw takes over what another view of the room tells of the draw.
func (s *Snapshot) shareDraw(of *Snapshot) {
	s.DrawCommitment, s.DrawCounted, s.DrawCount, s.counts = of.DrawCommitment, of.DrawCounted, of.DrawCount, of.counts
	s.Drawn, s.DrawSeed, s.DrawFacts = of.Drawn, of.DrawSeed, of.DrawFacts
}

// permute takes the permutation of the lane, once the draw is made; it is kept between refreshes.
func (s *Snapshot) permute(last *Draw) {
	if !s.Drawn {
		return
	}
	seed, count := s.DrawFacts.CompletedSeed, s.counts.in(s.lane)
	if s.draw = last; last == nil || last.count != count || last.seedText != seed {
		s.draw = drawFromText(seed, s.lane, count)
	}
}

// sameDraw reports whether the draw stands where it stood.
func (s *roomState) sameDraw(next *roomState) bool {
	return s.gen == next.gen && s.starts == next.starts && s.plan == next.plan && s.seedKept == next.seedKept && s.drawn == next.drawn &&
		s.countKept == next.countKept && s.round == next.round && s.drawFinal == next.drawFinal && s.drawKept == next.drawKept
}
