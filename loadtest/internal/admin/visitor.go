package admin

import (
	"context"
	"net/http"
	"net/url"
)

const holderHeader = "Penstock-Holder"

// Join takes a ticket for a sale.
func (c *Client) Join(ctx context.Context, sale string) (ticket string, err error) {
	var answer struct {
		Ticket string `json:"ticket"`
	}
	err = c.front(ctx, http.MethodPost, "/v1/sales/"+url.PathEscape(sale)+"/tickets", nil, nil, &answer)
	return answer.Ticket, err
}

// Held is a reservation, and the proof that it is ours.
type Held struct {
	ID     string
	holder string
}

// Reserve holds one unit in a sale that needs no pass.
func (c *Client) Reserve(ctx context.Context, sale, sku, customer, key string) (held Held, err error) {
	body := map[string]any{"customer": customer, "items": []map[string]any{{"sku": sku, "quantity": 1}}}
	var answer struct {
		ID string `json:"id"`
	}
	err = c.do(ctx, request{
		method: http.MethodPost, url: c.FrontURL + "/v1/sales/" + url.PathEscape(sale) + "/reservations",
		headers: map[string]string{"Idempotency-Key": key}, body: body,
		answered: func(h http.Header) { held.holder = h.Get(holderHeader) },
	}, &answer)
	held.ID = answer.ID
	return held, err
}

// PlaceOrder turns a reservation into an order; it returns the order's id.
func (c *Client) PlaceOrder(ctx context.Context, held Held, customer, key string) (id string, err error) {
	body := map[string]any{
		"reservation": held.ID, "customer": map[string]any{"id": customer},
		"payment": map[string]any{"reference": "pay-" + customer},
	}
	var answer struct {
		ID string `json:"id"`
	}
	err = c.front(ctx, http.MethodPost, "/v1/orders", map[string]string{"Idempotency-Key": key, holderHeader: held.holder}, body, &answer)
	return answer.ID, err
}
