package console

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
)

type auditView struct {
	ID     string          `json:"id"`
	At     time.Time       `json:"at"`
	Actor  string          `json:"actor"`
	Role   string          `json:"role"`
	Action string          `json:"action"`
	Sale   string          `json:"sale,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"`
	IP     string          `json:"ip,omitempty"`
}

func viewEntry(e ledger.Entry) auditView {
	return auditView{
		ID: e.ID, At: atMillis(e.AtMillis), Actor: e.Actor, Role: e.Role, Action: e.Action,
		Sale: e.Sale, Detail: checkout.RawJSON(e.Detail), IP: e.IP,
	}
}

// getAudit gives the trail of one sale, or without one in the path of everything, newest first.
func (c *Console) getAudit(w http.ResponseWriter, r *http.Request, _ caller) error {
	cursor, limit, err := page(r)
	if err != nil {
		return err
	}
	entries, next, err := c.deps.Ledger.Audit(r.Context(), r.PathValue("sale"), cursor, limit)
	if err != nil {
		return err
	}
	views := make([]auditView, len(entries))
	for i, e := range entries {
		views[i] = viewEntry(e)
	}
	return writeJSON(w, http.StatusOK, listOf("audit", views, next))
}

// trail is the newest part of a sale's audit trail, for its page.
func (c *Console) trail(r *http.Request, saleID string) ([]auditView, error) {
	entries, _, err := c.deps.Ledger.Audit(r.Context(), saleID, "", trailLength)
	if err != nil {
		return nil, err
	}
	views := make([]auditView, len(entries))
	for i, e := range entries {
		views[i] = viewEntry(e)
	}
	return views, nil
}

// Label words an act for people.
func (v auditView) Label() string {
	switch v.Action {
	case actCreate:
		return "created the sale"
	case actChange:
		return "changed the sale"
	case actDelete:
		return "deleted the sale"
	case actPause:
		return "paused the sale"
	case actResume:
		return "resumed the sale"
	case actEnd:
		return "ended the sale"
	case actMessage:
		return "changed the message"
	case actStock:
		return "changed the stock"
	case actRelease:
		return "released passes that held nothing"
	default:
		return v.Action
	}
}

// maxChangesShown bounds what the page shows of one entry; the API has all of it.
const maxChangesShown = 6

// Changes lists what an act changed, as "path: from → to".
func (v auditView) Changes() []string {
	if v.Action == actCreate || v.Action == actDelete {
		return nil // the whole document
	}
	return describe(v.Detail, maxChangesShown)
}
