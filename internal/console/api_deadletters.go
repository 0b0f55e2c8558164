package console

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
)

// deadLetterView is an order that the ledger would not take, with the reason. Raw is what came
// through the log: JSON as it is, anything else as base64.
type deadLetterView struct {
	ID        string          `json:"id"`
	Reason    string          `json:"reason"`
	Raw       json.RawMessage `json:"raw,omitempty"`
	RawBase64 []byte          `json:"raw_base64,omitempty"`
	// Times is how often it failed, redrives included.
	Times     int64     `json:"times"`
	CreatedAt time.Time `json:"created_at"`
}

func viewDeadLetter(d ledger.DeadLetter) deadLetterView {
	view := deadLetterView{ID: d.ID, Reason: d.Reason, Times: d.Times, CreatedAt: atMillis(d.CreatedAtMillis)}
	if view.Raw = rawJSON(d.Raw); view.Raw == nil {
		view.RawBase64 = d.Raw
	}
	return view
}

func (c *Console) listDeadLetters(w http.ResponseWriter, r *http.Request, _ caller) error {
	cursor, limit, err := page(r)
	if err != nil {
		return err
	}
	letters, next, err := c.deps.Ledger.DeadLetters(r.Context(), cursor, limit)
	if err != nil {
		return err
	}
	views := make([]deadLetterView, len(letters))
	for i, d := range letters {
		views[i] = viewDeadLetter(d)
	}
	return writeJSON(w, http.StatusOK, listOf("dead_letters", views, next))
}

// postRedrive sends a dead letter through the log again. When it is sent and then cannot be marked
// as resolved, sending it twice does no harm: the ledger takes an order once.
func (c *Console) postRedrive(w http.ResponseWriter, r *http.Request, who caller) error {
	if err := refuseBody(w, r); err != nil {
		return err
	}
	letter, err := c.deps.Ledger.DeadLetter(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if c.deps.Redrive == nil {
		return problem.With(problem.Unavailable, "this process has no order log to redrive to")
	}
	if err := c.deps.Redrive(r.Context(), letter); err != nil {
		return err
	}
	c.record(r.Context(), who, actRedrive, "", map[string]string{"id": letter.ID, "reason": letter.Reason})
	if err := c.resolve(r.Context(), letter); err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, map[string]string{"id": letter.ID, "status": "redriven"})
}

// resolve closes a letter that was sent again. The drain may have failed on it and opened it anew
// before we close it; then it must not stay closed, or nobody would see it again.
func (c *Console) resolve(ctx context.Context, letter ledger.DeadLetter) error {
	if err := c.deps.Ledger.ResolveDeadLetter(ctx, letter.ID); err != nil {
		return err
	}
	now, err := c.deps.Ledger.DeadLetter(ctx, letter.ID)
	if err != nil {
		return err
	}
	if now.Times > letter.Times && now.ResolvedAtMillis != 0 {
		return c.deps.Ledger.AddDeadLetter(ctx, now.Raw, now.Reason)
	}
	return nil
}
