package console

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/problem"
)

// flagsView is the level in force, how it came about, and what hangs off it.
type flagsView struct {
	Level      degrade.Level    `json:"level"`
	Since      *time.Time       `json:"since"` // null: since before this node looked
	Reason     string           `json:"reason"`
	Measured   degrade.Level    `json:"measured"`
	Override   *degrade.Level   `json:"override"`
	OverrideBy string           `json:"override_by,omitempty"`
	Pressure   degrade.Pressure `json:"pressure"`
	Flags      []flagView       `json:"flags"`
}

type flagView struct {
	Key     string        `json:"key"`
	On      bool          `json:"on"`
	OffFrom degrade.Level `json:"off_from"`
	About   string        `json:"about"`
}

func (c *Console) flags() flagsView {
	state := c.deps.Board.State()
	view := flagsView{
		Level: state.Level, Reason: state.Reason, Measured: state.Measured,
		Override: state.Override, Pressure: state.Pressure,
	}
	if !state.Since.IsZero() {
		view.Since = &state.Since
	}
	if state.Override != nil {
		view.OverrideBy = state.OverrideBy
	}
	for _, f := range degrade.Flags() {
		view.Flags = append(view.Flags, flagView{Key: f.Key, On: state.Level < f.OffFrom, OffFrom: f.OffFrom, About: f.About})
	}
	return view
}

func (c *Console) getFlags(w http.ResponseWriter, _ *http.Request, _ caller) error {
	return writeJSON(w, http.StatusOK, c.flags())
}

// putFlags pins the level ({"override": "critical"}) or gives it back to measurement (null).
func (c *Console) putFlags(w http.ResponseWriter, r *http.Request, who caller) error {
	var body struct {
		Override json.RawMessage `json:"override"`
	}
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	if body.Override == nil {
		return problem.With(problem.BadRequest, "override is required: a level, or null to lift it")
	}
	var level *degrade.Level
	if err := json.Unmarshal(body.Override, &level); err != nil {
		return problem.With(problem.BadRequest, "override: want normal, elevated, critical, survival or null")
	}
	if err := c.override(r.Context(), who, level); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, c.flags())
}
