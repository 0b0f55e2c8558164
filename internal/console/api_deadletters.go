package console

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/reservation"
)

// deadLetterView is an order that the ledger would not take, with the reason. Raw is what came
// through the log: JSON as it is, anything else as base64. It is left out for those who may not see customers.
type deadLetterView struct {
	ID        string          `json:"id"`
	Reason    string          `json:"reason"`
	Raw       json.RawMessage `json:"raw,omitempty"`
	RawBase64 []byte          `json:"raw_base64,omitempty"`
	// Times is how often it failed, redrives included.
	Times     int64     `json:"times"`
	CreatedAt time.Time `json:"created_at"`
}

func viewDeadLetter(d ledger.DeadLetter, who caller) deadLetterView {
	view := deadLetterView{ID: d.ID, Reason: d.Reason, Times: d.Times, CreatedAt: atMillis(d.CreatedAtMillis)}
	if !who.MaySeeCustomers() {
		return view
	}
	if view.Raw = checkout.RawJSON(d.Raw); view.Raw == nil {
		view.RawBase64 = d.Raw
	}
	return view
}

func (c *Console) listDeadLetters(w http.ResponseWriter, r *http.Request, who caller) error {
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
		views[i] = viewDeadLetter(d, who)
	}
	return writeJSON(w, http.StatusOK, listOf("dead_letters", views, next))
}

// postRedrive commits the order of a dead letter to the ledger and tells what happened: 200 with the
// order once it is there, 409 still_refused with the reason otherwise. The letter is resolved when
// its order is in the ledger, and not before.
func (c *Console) postRedrive(w http.ResponseWriter, r *http.Request, who caller) error {
	if err := refuseBody(w, r); err != nil {
		return err
	}
	if c.deps.Redrive == nil {
		return problem.With(problem.Unavailable, "this process has no orders to redrive")
	}
	letter, err := c.deps.Ledger.DeadLetter(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	order, err := c.deps.Redrive(r.Context(), letter.ID)
	if err != nil {
		return err
	}
	c.record(r.Context(), who, actRedrive, order.Sale, map[string]string{"id": letter.ID, "reason": letter.Reason, "order": order.ID})
	return writeJSON(w, http.StatusOK, map[string]any{"id": letter.ID, "status": reservation.OrderCommitted, "order": checkout.ViewOf(order)})
}
