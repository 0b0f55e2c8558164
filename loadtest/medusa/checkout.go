package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// visitor is somebody who buys one unit, through the store API as a shop's pages do.
type visitor struct {
	client  *http.Client
	shop    string // URL
	goods   goods
	variant string
	email   string
	pass    string // "" without Penstock
	note    func(request)
}

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 4 << 20

// checkOut goes through all steps. A visitor leaves at the first that fails.
func (v *visitor) checkOut(ctx context.Context) ending {
	var cart struct {
		Cart struct{ ID string }
	}
	address := map[string]string{
		"first_name": "Ada", "last_name": "Example", "address_1": "Street 1", "city": "Berlin", "postal_code": "10115", "country_code": "de",
	}
	if ended := v.ask(ctx, "/store/carts", map[string]any{"region_id": v.goods.Region}, &cart); ended != "" {
		return ended
	}
	path := "/store/carts/" + cart.Cart.ID
	if ended := v.ask(ctx, path+"/line-items", map[string]any{"variant_id": v.variant, "quantity": 1}, nil); ended != "" {
		return ended
	}
	if ended := v.ask(ctx, path, map[string]any{"email": v.email, "shipping_address": address, "billing_address": address}, nil); ended != "" {
		return ended
	}
	if ended := v.ask(ctx, path+"/shipping-methods", map[string]any{"option_id": v.goods.ShippingOption}, nil); ended != "" {
		return ended
	}
	var payment struct {
		Collection struct{ ID string } `json:"payment_collection"`
	}
	if ended := v.ask(ctx, "/store/payment-collections", map[string]any{"cart_id": cart.Cart.ID}, &payment); ended != "" {
		return ended
	}
	sessions := "/store/payment-collections/" + payment.Collection.ID + "/payment-sessions"
	if ended := v.ask(ctx, sessions, map[string]any{"provider_id": "pp_system_default"}, nil); ended != "" {
		return ended
	}
	var completed struct{ Type string }
	if ended := v.ask(ctx, path+"/complete", nil, &completed); ended != "" {
		return ended
	}
	if completed.Type != "order" {
		return refused
	}
	return bought
}

// ask is one step. The ending is "" when it succeeded.
func (v *visitor) ask(ctx context.Context, path string, body, out any) ending {
	began := time.Now()
	status, text, err := v.send(ctx, path, body)
	became := endingOf(ctx, status, text, err)
	v.note(request{took: time.Since(began), status: status, ending: became})
	if became == "" && out != nil && json.Unmarshal(text, out) != nil {
		return refused
	}
	return became
}

func (v *visitor) send(ctx context.Context, path string, body any) (status int, text []byte, err error) {
	var payload io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.shop+path, payload)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Publishable-Api-Key", v.goods.PublishableKey)
	if v.pass != "" {
		req.Header.Set("Penstock-Pass", v.pass)
	}
	res, err := v.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err = io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	return res.StatusCode, text, err
}

// endingOf says what an answer means to a visitor; "" when it was a success.
func endingOf(ctx context.Context, status int, text []byte, err error) ending {
	var timeout interface{ Timeout() bool }
	switch {
	case err != nil && ctx.Err() != nil:
		return stillThere
	case err != nil && errors.As(err, &timeout) && timeout.Timeout():
		return timedOut
	case err != nil:
		return brokenOff
	case status < http.StatusBadRequest:
		return ""
	case status >= http.StatusInternalServerError:
		return serverError
	case saysSoldOut(string(text)):
		return soldOut
	default:
		return refused
	}
}

// saysSoldOut recognises Medusa's answers when the stock is not enough, and Penstock's.
func saysSoldOut(text string) bool {
	for _, said := range []string{`"insufficient_inventory"`, "required inventory", "Not enough stock", `"sold_out"`} {
		if strings.Contains(text, said) {
			return true
		}
	}
	return false
}
