// Package fairness says of an ended sale what anybody may check: how the places were drawn, whether they were called
// in order, and whether the limits held.
//
// The report is a pure function of what the journal tells of the line ([queue.Account]), of what Redis counted, and
// of the sale's document. It is made once, when the sale has ended, and kept in the ledger as the bytes that are
// published: the journal forgets after two days. What is not known is said to be unknown, and is never taken for
// good.
package fairness

import (
	"time"

	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// Format is the first member of each report. Another shape gets another one.
const Format = "penstock-fairness/1"

// Verdict is what a check, or all of them, came to.
type Verdict string

// The verdicts. Unknown is not good.
const (
	Holds   Verdict = "holds"
	Broken  Verdict = "broken"
	Unknown Verdict = "unknown"
)

// Report is what is published of a sale. Moments in lists are ms since 1970 by the clock of Redis.
type Report struct {
	Format     string     `json:"format"`
	Sale       string     `json:"sale"`
	Name       string     `json:"name"`
	Order      sale.Order `json:"order"`
	OpensAt    time.Time  `json:"opens_at"`
	StartsAt   time.Time  `json:"starts_at"`
	EndsAt     time.Time  `json:"ends_at"`
	EndedEarly bool       `json:"ended_early,omitempty"` // by the operator
	MadeAt     time.Time  `json:"made_at"`
	Verdict    Verdict    `json:"verdict"`
	Checks     []Check    `json:"checks"`
	Trust      Trust      `json:"trust"`
	// Lanes are the names of the priority lanes, in their order: lane 1 is the first. Lane 0 is that of everybody.
	Lanes []string `json:"lanes,omitempty"`
	// Draw is nil in a sale without one, and when the journal has nothing of it.
	Draw *queue.DrawFacts `json:"draw"`
	Line Line             `json:"line"`
	// Minute is the most admissions in any closed interval of 60 s, to the ms.
	Minute Peak `json:"most_in_60_seconds"`
	// Active is the most passes in force.
	Active Active `json:"most_active"`
	Keys   Keys   `json:"keys"`
	// Bots is nil when nothing was recorded.
	Bots   *Bots   `json:"bots"`
	Limits []Limit `json:"limits"`
	// Calls are [ms, place]: up to which place was called from when on. Admissions are [ms, number of the ticket].
	// Those of a priority lane have its number in Lanes, from 1 on, at the end. Both are nil in a sale that has too many for a
	// file.
	Calls      [][]int64 `json:"calls"`
	Admissions [][]int64 `json:"admissions"`
}

// Check is one thing that was looked at. Detail is for a person, and in English.
type Check struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail"`
}

// TrustKind says on what it rests that nobody could choose the places.
type TrustKind string

// The kinds.
const (
	TrustBeacon   TrustKind = "beacon"   // on a public beacon
	TrustParties  TrustKind = "parties"  // on one at least of several parties
	TrustOperator TrustKind = "operator" // on the operator alone
	TrustArrival  TrustKind = "arrival"  // there was no draw: places went by arrival, as the operator's servers saw it
	TrustUnknown  TrustKind = "unknown"  // nothing is known of the draw
)

// Trust says whom one has to trust, in words too.
type Trust struct {
	Kind    TrustKind `json:"kind"`
	Parties []string  `json:"parties,omitempty"`
	Detail  string    `json:"detail"`
}

// Line has the counts of the line.
type Line struct {
	// Joined counts the numbers that were given. Uncertain are those of them that may belong to nobody, after a
	// loss of Redis.
	Joined    uint64 `json:"joined"`
	Uncertain uint64 `json:"uncertain,omitempty"`
	Called    uint64 `json:"called"`
	Admitted  int64  `json:"admitted"`
	// Inversions are admissions of places that had not been called.
	Inversions int64 `json:"inversions"`
	// TwoPasses are tickets that had two passes at once.
	TwoPasses int64 `json:"two_passes"`
}

// Peak is the moment at which most were counted, and the limit there. Over is by how much a limit was ever exceeded.
type Peak struct {
	Most     int64 `json:"most"`
	AtMillis int64 `json:"at_ms,omitempty"`
	Limit    int64 `json:"limit"`
	Over     int64 `json:"over"`
}

// Active are two figures of the passes in force. Counted is what the script counted that gives passes out: exact,
// but nobody else can count it again; nil when Redis was lost in between. AtMost is what the journal says when no
// pass is taken to have been given back early.
type Active struct {
	Counted *int64 `json:"counted"`
	AtMost  int64  `json:"at_most"`
	Limit   int64  `json:"limit"`
}

// Keys are the persons and invites with a place by a key. The keys themselves are published nowhere.
type Keys struct {
	Count      int64 `json:"count"`
	Places     int64 `json:"places"`
	Duplicates int64 `json:"duplicates"`
}

// Bots are what was recorded of newcomers, each counted each time they came. Removed got no place, or one that is
// never called. Noticed are all that a rule noticed, by rule: whoever was noticed may have got a place all the same.
type Bots struct {
	People  int64            `json:"people"`
	Removed int64            `json:"removed"`
	Noticed map[string]int64 `json:"noticed"`
}

// BotsOf adds up the counts of one sale; nil when there are none.
func BotsOf(counts []bots.Count) *Bots {
	if len(counts) == 0 {
		return nil
	}
	b := &Bots{Noticed: make(map[string]int64)}
	for _, one := range counts {
		switch one.Outcome {
		case bots.Joined:
			b.People += one.N
			continue
		case bots.WouldDecoy:
			continue // is among the blocked ones
		case bots.Blocked, bots.Decoyed:
			b.Removed += one.N
		}
		b.Noticed[string(one.Rule)] += one.N
	}
	return b
}

// Limit are limits in force from a moment on.
type Limit struct {
	AtMillis      int64     `json:"at_ms"`
	RatePerMinute int64     `json:"rate_per_minute"`
	MaxActive     int64     `json:"max_active"`
	Mode          sale.Mode `json:"mode"`
}

// Evidence is what is known of an ended sale.
type Evidence struct {
	Record  sale.Record
	Account queue.Account
	// Room is what Redis counted. It is not Ready when Redis no longer holds the room.
	Room queue.RoomStats
	Bots *Bots
	// JournalFrom is the oldest moment of which the journal still knows everything.
	JournalFrom time.Time
	MadeAt      time.Time
}
