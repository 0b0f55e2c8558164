package console

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/verify"
)

// liveView is what the page of a sale shows and refreshes each second.
type liveView struct {
	Phase      sale.Phase `json:"phase"`
	PhaseLabel string     `json:"phase_label"`
	PhaseHint  string     `json:"phase_hint"`
	Message    string     `json:"message"`
	// MessageUntil and MessagePhase say for how long the message is shown.
	MessageUntil time.Time  `json:"message_until,omitzero"`
	MessagePhase sale.Phase `json:"message_phase,omitempty"`
	Version      int64      `json:"version"`
	Waiting      int64      `json:"waiting"`
	Entrants     int64      `json:"entrants"`
	Called       int64      `json:"called"`
	Active       int64      `json:"active"`
	MaxActive    int64      `json:"max_active"`
	Admitted     int64      `json:"admitted_last_minute"`
	Rate         int64      `json:"rate_per_minute"`
	Lanes        []liveLane `json:"lanes,omitempty"`
	Items        []liveItem `json:"items"`
	Undrained    int64      `json:"undrained"`
	LagSeconds   float64    `json:"lag_seconds"`
	Level        string     `json:"level"`
	Drift        string     `json:"drift"`
	DriftHint    string     `json:"drift_hint"`
	At           time.Time  `json:"at"`
}

// liveLane is one lane of a sale with priority lanes; the first one is that of everybody.
type liveLane struct {
	Name     string `json:"name"`
	Waiting  int64  `json:"waiting"`
	Called   int64  `json:"called"`
	Entrants int64  `json:"entrants"`
}

type liveItem struct {
	SKU       string `json:"sku"`
	Name      string `json:"name"`
	Allocated int64  `json:"allocated"`
	Available int64  `json:"available"`
	Held      int64  `json:"held"`
	Sold      int64  `json:"sold"`
	// Committed is how many of the sold are in the ledger, when that answers.
	Committed      int64 `json:"committed"`
	CommittedKnown bool  `json:"committed_known"`
}

// Percent is a part of the allocation, for the bar: 0 to 100.
func (i liveItem) Percent(part int64) float64 {
	if i.Allocated <= 0 {
		return 0
	}
	return math.Round(float64(part)/float64(i.Allocated)*1000) / 10
}

// HeldFrom and FreeFrom are where the parts of the bar begin.
func (i liveItem) HeldFrom() float64 { return i.Percent(i.Sold) }

// FreeFrom is where the part of the free units begins.
func (i liveItem) FreeFrom() float64 { return i.Percent(i.Sold + i.Held) }

// measure gathers the figures of a sale.
func (c *Console) measure(ctx context.Context, saleID string) (liveView, error) {
	rec, err := c.deps.Sales.Sale(ctx, saleID)
	if err != nil {
		return liveView{}, err
	}
	stats, err := c.deps.Verifier.Stats(ctx, saleID)
	if err != nil {
		return liveView{}, err
	}
	return newLiveView(rec, stats, c.deps.Board.Level().String()), nil
}

func newLiveView(rec sale.Record, stats verify.Stats, level string) liveView {
	phase := stats.Phase
	view := liveView{
		Phase: phase, PhaseLabel: phaseLabel(phase), PhaseHint: phaseHint(phase), Message: rec.Message, MessageUntil: rec.MessageUntil, MessagePhase: rec.MessagePhase, Version: rec.Version,
		Waiting: int64(stats.Room.Waiting), Entrants: int64(stats.Room.Entrants), Called: int64(stats.Room.Called),
		Active: int64(stats.Room.Active), MaxActive: int64(rec.Admission.MaxActive),
		Admitted: int64(stats.Room.AdmittedLastMinute), Rate: int64(rec.Admission.RatePerMinute),
		Undrained: int64(stats.Undrained), LagSeconds: stats.LogLagSeconds, Level: level, At: stats.At,
	}
	view.Drift, view.DriftHint = describeDrift(stats.Drift)
	for _, lane := range stats.Room.Lanes {
		view.Lanes = append(view.Lanes, liveLane{
			Name: lane.Name, Waiting: int64(lane.Waiting), Called: int64(lane.Called), Entrants: int64(lane.Entrants),
		})
	}
	for _, i := range stats.Items {
		item := liveItem{SKU: i.SKU, Name: i.SKU, Allocated: i.Allocated, Available: i.Available, Held: i.Held, Sold: i.Sold, Committed: i.Committed, CommittedKnown: stats.LedgerAnswers}
		if at := rec.ItemIndex(i.SKU); at >= 0 {
			item.Name = rec.Items[at].Name
		}
		view.Items = append(view.Items, item)
	}
	return view
}

// describeDrift words what the leader measured.
func describeDrift(d *verify.DriftReport) (drift, hint string) {
	switch {
	case d == nil:
		return "not measured", "The leader measures while the sale runs."
	case len(d.Drifts) > 0:
		one := d.Drifts[0]
		return fmt.Sprintf("%d units", one.Units), fmt.Sprintf("of %s (%s), and %d more differences. Run penstock verify.", one.SKU, one.Between, len(d.Drifts)-1)
	case len(d.Unmeasured) > 0:
		return "not known", fmt.Sprintf("Could not compare: %v.", d.Unmeasured)
	default:
		return "none", "Redis, the order log and the ledger agree."
	}
}

// phaseLabel words a phase for people.
func phaseLabel(p sale.Phase) string {
	switch p {
	case sale.PhaseDraft:
		return "Draft"
	case sale.PhaseScheduled:
		return "Scheduled"
	case sale.PhasePrequeue:
		return "Waiting room open"
	case sale.PhaseLive:
		return "Live"
	case sale.PhasePaused:
		return "Paused"
	case sale.PhaseSoldOut:
		return "Sold out"
	case sale.PhaseEnded:
		return "Ended"
	case sale.PhaseNotArmed:
		return "Not armed"
	default:
		return string(p)
	}
}

// phaseHint says what a phase means for the visitors.
func phaseHint(p sale.Phase) string {
	switch p {
	case sale.PhaseDraft:
		return "Nobody can see this sale yet."
	case sale.PhaseScheduled:
		return "The waiting room is not open yet."
	case sale.PhasePrequeue:
		return "Visitors are gathering. Nobody is let in before the start."
	case sale.PhaseLive:
		return "Visitors are being let in."
	case sale.PhasePaused:
		return "Nobody is let in and nothing can be reserved. Those who hold units can still buy them."
	case sale.PhaseSoldOut:
		return "Every unit is sold."
	case sale.PhaseEnded:
		return "Nobody is let in any more."
	case sale.PhaseNotArmed:
		return "The sale should be open, and its stock and its line are not in Redis. Visitors are asked to wait."
	default:
		return ""
	}
}
