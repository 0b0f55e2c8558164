package checkout

import (
	"encoding/json"
	"time"
)

// View is an order in the ledger as the people and the programs of the shop see it. It holds personal data:
// what the shop sent about its customer.
type View struct {
	ID          string          `json:"id"`
	Sale        string          `json:"sale"`
	Reservation string          `json:"reservation"`
	Status      string          `json:"status"`
	Customer    json.RawMessage `json:"customer,omitempty"`
	Channel     string          `json:"channel,omitempty"`
	// Drawn are the units that are of the shares of other channels.
	Drawn       []ViewDrawn     `json:"drawn,omitempty"`
	PaymentRef  string          `json:"payment_ref,omitempty"`
	Items       []ViewItem      `json:"items"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	CreatedAt   time.Time       `json:"created_at"`
	CommittedAt time.Time       `json:"committed_at,omitzero"` // zero for an order that failed
}

// ViewItem is a line of a View. UnitAmount is in minor units of Currency.
type ViewItem struct {
	SKU        string `json:"sku"`
	Quantity   int64  `json:"quantity"`
	UnitAmount int64  `json:"unit_amount"`
	Currency   string `json:"currency,omitempty"`
}

// ViewDrawn are units of an item that are of the share of another channel than the order's.
type ViewDrawn struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Channel  string `json:"channel"`
}

// ViewOf shows an order.
func ViewOf(o Stored) View {
	view := View{
		ID: o.ID, Sale: o.Sale, Reservation: o.Reservation, Status: o.Status, Customer: RawJSON(o.CustomerDoc),
		Channel: o.Channel, PaymentRef: o.PaymentRef, Metadata: RawJSON(o.Metadata),
		Items: make([]ViewItem, len(o.Lines)), CreatedAt: time.UnixMilli(o.CreatedAtMillis).UTC(),
	}
	if o.CommittedAtMillis != 0 {
		view.CommittedAt = time.UnixMilli(o.CommittedAtMillis).UTC()
	}
	for i, line := range o.Lines {
		view.Items[i] = ViewItem(line)
	}
	for _, part := range o.Drawn.Parts() {
		if part.Channel != "" {
			view.Drawn = append(view.Drawn, ViewDrawn(part))
		}
	}
	return view
}

// WithoutCustomer leaves out what tells who the customer is, or may do so.
func (v View) WithoutCustomer() View {
	v.Customer, v.Metadata, v.PaymentRef = nil, nil, ""
	return v
}

// RawJSON passes stored JSON on, and leaves out what is none, which would spoil the whole answer.
func RawJSON(text []byte) json.RawMessage {
	if !json.Valid(text) {
		return nil
	}
	return text
}
