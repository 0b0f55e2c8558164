package queue

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
)

// RoomStats are the live figures of a room.
type RoomStats struct {
	// Ready says that Redis holds the room. The other figures are 0 when it does not.
	Ready         bool   `json:"ready"`
	Entrants      uint64 `json:"entrants"`
	HighWaterMark uint64 `json:"high_water_mark"`
	Called        uint64 `json:"called"`
	Waiting       uint64 `json:"waiting"`
	// Uncertain numbers may have been given before Redis was lost, and nobody has shown a ticket with
	// one since; those that the line has not passed over yet.
	Uncertain uint64 `json:"uncertain"`
	// Outstanding were called and may still claim.
	Outstanding        uint64 `json:"outstanding"`
	Active             int    `json:"active"`
	AdmittedLastMinute int    `json:"admitted_last_minute"`
	// Claimed, Left and Released count tickets and passes over the life of the room.
	Claimed  int64 `json:"claimed"`
	Left     int64 `json:"left"`
	Released int64 `json:"released"`
	Missed   int64 `json:"missed"`
	// AdmittedLate are those of Claimed who missed the turn and took it up in the grace. It starts again when Redis
	// is lost.
	AdmittedLate int64 `json:"admitted_late"`
	// PeakActive and PeakPerMinute are the most active passes, and the most admissions in any
	// rolling 60 s, that there ever were; the limits are the highest that were in force since.
	PeakActive     int64   `json:"peak_active"`
	PeakPerMinute  int64   `json:"peak_per_minute"`
	MaxActiveLimit int64   `json:"max_active_limit"`
	PerMinuteLimit int64   `json:"per_minute_limit"`
	ShowUpRate     float64 `json:"show_up_rate"`
	Paused         bool    `json:"paused"`
	Drawn          bool    `json:"drawn"`
	DrawCount      uint64  `json:"draw_count"`
	// DrawCommitment is "" until it is published. DrawLanes are the parts of DrawCount by the lane, that of everybody
	// first.
	DrawCommitment  string   `json:"-"`
	DrawLanes       []uint64 `json:"-"`
	Epoch           int64    `json:"epoch"`
	SettingsVersion int64    `json:"settings_version"`
	// Lanes are the lanes of a sale that has any beside that of everybody, which is the first. The figures above are
	// sums over them.
	Lanes []LaneStats `json:"lanes,omitempty"`
}

// LaneStats are the live figures of one lane.
type LaneStats struct {
	// Name is "" for the lane of everybody.
	Name     string `json:"name"`
	Entrants uint64 `json:"entrants"`
	Called   uint64 `json:"called"`
	Waiting  uint64 `json:"waiting"`
}

// WithinLimits reports whether invariant 5 held: neither peak ever exceeded its limit.
func (s RoomStats) WithinLimits() bool {
	return s.PeakActive <= s.MaxActiveLimit && s.PeakPerMinute <= s.PerMinuteLimit
}

// Stats reads the figures of a room. A room that Redis does not hold is not Ready, and no error.
func Stats(ctx context.Context, client rueidis.Client, saleID string) (stats RoomStats, err error) {
	args := []string{"", "-1", "0", "0", "0"}
	for range MaxLane {
		args = append(args, "0", "0")
	}
	answer, err := parseReply(snapshotScript.Exec(ctx, client, keysWithLanes(saleID, int(MaxLane)), args))
	if err != nil {
		return RoomStats{}, fmt.Errorf("stats of room %s: %w", saleID, err)
	}
	if !answer.exists {
		return RoomStats{}, nil
	}
	s := answer.state
	stats = RoomStats{
		Ready: true, Uncertain: s.room.absent, Entrants: s.Entrants, HighWaterMark: s.room.mark, Called: s.Called, Waiting: s.Waiting, Outstanding: s.Outstanding,
		Active: s.Active, AdmittedLastMinute: s.AdmittedLastMinute,
		Claimed: s.room.claimed, Left: s.room.left, Released: s.room.released, Missed: s.room.noShow, AdmittedLate: s.room.late,
		PeakActive: s.room.peakActive, PeakPerMinute: s.room.peakMinute,
		MaxActiveLimit: s.room.capMax, PerMinuteLimit: s.room.rateMax,
		ShowUpRate: s.ShowUpRate, Paused: s.Paused, Drawn: s.room.drawn, DrawCount: answer.drawCounts().whole(), DrawLanes: answer.drawCounts(),
		DrawCommitment: publishedCommitment(&s),
		Epoch:          s.Epoch, SettingsVersion: s.room.version,
	}
	if len(answer.lanes) > 0 {
		stats.Lanes = append(stats.Lanes, laneStats(&s))
	}
	for i := range answer.lanes {
		lane := &answer.lanes[i].state
		stats.Lanes = append(stats.Lanes, laneStats(lane))
		stats.Uncertain += lane.room.absent
		stats.Entrants += lane.Entrants
		stats.HighWaterMark += lane.room.mark
		stats.Called += lane.Called
		stats.Waiting += lane.Waiting
		stats.Outstanding += lane.Outstanding
	}
	return stats, nil
}

func laneStats(s *Snapshot) LaneStats {
	return LaneStats{Entrants: s.Entrants, Called: s.Called, Waiting: s.Waiting}
}

func publishedCommitment(s *Snapshot) string {
	if s.room.order != sale.Draw || !s.room.seedKept {
		return ""
	}
	return s.room.commitment
}
