package admin

import (
	"context"
	"net/http"
	"net/url"
)

// Join takes a ticket for a sale.
func (c *Client) Join(ctx context.Context, sale string) (ticket string, err error) {
	var answer struct {
		Ticket string `json:"ticket"`
	}
	err = c.front(ctx, http.MethodPost, "/v1/sales/"+url.PathEscape(sale)+"/tickets", nil, nil, &answer)
	return answer.Ticket, err
}

// Reserve holds one unit in a sale that needs no pass; it returns the reservation's id.
func (c *Client) Reserve(ctx context.Context, sale, sku, customer, key string) (id string, err error) {
	body := map[string]any{"customer": customer, "items": []map[string]any{{"sku": sku, "quantity": 1}}}
	var answer struct {
		ID string `json:"id"`
	}
	err = c.front(ctx, http.MethodPost, "/v1/sales/"+url.PathEscape(sale)+"/reservations",
		map[string]string{"Idempotency-Key": key}, body, &answer)
	return answer.ID, err
}

// PlaceOrder turns a reservation into an order; it returns the order's id.
func (c *Client) PlaceOrder(ctx context.Context, reservation, customer, key string) (id string, err error) {
	body := map[string]any{
		"reservation": reservation, "customer": map[string]any{"id": customer},
		"payment": map[string]any{"reference": "pay-" + customer},
	}
	var answer struct {
		ID string `json:"id"`
	}
	err = c.front(ctx, http.MethodPost, "/v1/orders", map[string]string{"Idempotency-Key": key}, body, &answer)
	return answer.ID, err
}
