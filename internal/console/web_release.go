package console

import (
	"net/http"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sales"
)

// maxReleaseMinutes bounds the age that the form asks for: a week.
const maxReleaseMinutes = 7 * 24 * 60

// addRelease counts, on demand, the passes that hold nothing, for the operator to confirm.
func (c *Console) addRelease(r *http.Request, in visit, m *saleModel) {
	text := r.URL.Query().Get("idle_minutes")
	if text == "" || !m.CanSteer {
		return
	}
	minutes, err := strconv.Atoi(text)
	if err != nil || minutes < 0 || minutes > maxReleaseMinutes {
		m.Errors["release"] = "Minutes: enter a whole number between 0 and " + strconv.Itoa(maxReleaseMinutes)
		return
	}
	view, err := c.releasePasses(r.Context(), in.caller, m.ID, sales.Release{
		IssuedBefore: c.deps.Now().Add(-time.Duration(minutes) * time.Minute), DryRun: true,
	})
	if err != nil {
		m.Errors["release"] = c.sentence(r, err)
		return
	}
	m.Release = &view
}

// releaseForm takes back what was counted: nobody who came later.
func (c *Console) releaseForm(w http.ResponseWriter, r *http.Request, in visit) error {
	form := "release"
	return c.act(w, r, in, form, func(id string) error {
		before, err := time.Parse(time.RFC3339, r.PostForm.Get("issued_before"))
		if err != nil {
			return problem.With(problem.BadRequest, "Count the passes first")
		}
		_, err = c.releasePasses(r.Context(), in.caller, id, sales.Release{IssuedBefore: before})
		return err
	})
}
