package console

import (
	"net/http"

	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/problem"
)

type levelModel struct {
	flagsView
	Levels []levelChoice
	Done   string
}

// levelChoice is one level that can be pinned.
type levelChoice struct {
	Name    string
	Meaning string
	Pinned  bool
	Current bool
}

func levelMeaning(l degrade.Level) string {
	switch l {
	case degrade.Normal:
		return "Everything is on. Visitors are let in at the full rate."
	case degrade.Elevated:
		return "Comfort goes: recommendations, reviews. Visitors are let in at half the rate."
	case degrade.Critical:
		return "All that a buyer can do without is off. Visitors are let in at a fifth of the rate."
	default:
		return "Only orders under way are served well. Visitors are let in at a twentieth of the rate."
	}
}

func (c *Console) levelPage(w http.ResponseWriter, r *http.Request, in visit) error {
	m := levelModel{flagsView: c.flags(), Done: doneText(r.URL.Query().Get("done"))}
	for _, l := range degrade.Levels() {
		m.Levels = append(m.Levels, levelChoice{
			Name: l.String(), Meaning: levelMeaning(l), Current: l == m.Level,
			Pinned: m.Override != nil && *m.Override == l,
		})
	}
	c.show(w, r, in, http.StatusOK, "level", "Level", m)
	return nil
}

func (c *Console) levelForm(w http.ResponseWriter, r *http.Request, in visit) error {
	var level *degrade.Level
	if name := r.PostForm.Get("level"); name != "auto" {
		parsed, err := degrade.ParseLevel(name)
		if err != nil {
			return problem.With(problem.BadRequest, "choose one of the levels")
		}
		level = &parsed
	}
	if err := c.override(r.Context(), in.caller, level); err != nil {
		return err
	}
	http.Redirect(w, r, "/level?done=level", http.StatusSeeOther)
	return nil
}
