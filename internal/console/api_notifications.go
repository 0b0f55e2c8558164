package console

import (
	"net/http"

	"github.com/penstock/penstock/internal/notify"
)

// notificationsView is what an operator is told of the notifications of a sale.
type notificationsView struct {
	WebPush bool `json:"web_push"`
	Email   bool `json:"email"`
	// Waiting counts those who asked to be told and were not told yet, by way.
	Waiting map[string]int64 `json:"waiting"`
	// WebhookSecret verifies the calls of the sale's webhook.
	WebhookSecret string `json:"webhook_secret"`
}

// getNotifications gives an operator what the shop needs to verify the calls of its webhook.
func (c *Console) getNotifications(w http.ResponseWriter, r *http.Request, _ caller) error {
	rec, err := c.deps.Sales.Sale(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	waiting, err := c.deps.Ledger.CountNotifications(r.Context(), rec.ID)
	if err != nil {
		return err
	}
	view := notificationsView{Waiting: map[string]int64{}}
	for _, way := range []notify.Way{notify.Push, notify.Email} {
		view.Waiting[string(way)] = waiting[string(way)]
	}
	if c.deps.WebhookKeys != nil {
		view.WebhookSecret = c.deps.WebhookKeys.Secret(rec.ID)
	}
	if c.deps.Notify != nil {
		offer := c.deps.Notify.Offer(&rec.Sale)
		view.WebPush, view.Email = offer.Push, offer.Email
	}
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, http.StatusOK, view)
}
