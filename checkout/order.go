package checkout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/penstock/penstock/reservation"
)

// Order is what a shopper ordered, as it travels from acceptance to the ledger.
type Order struct {
	ID          string `json:"id"`
	Sale        string `json:"sale"`
	Reservation string `json:"reservation"` // unique in the ledger: the guarantee of exactly once
	Customer    string `json:"customer"`    // hash, as the reservation holds it
	// CustomerDoc is the shop's own document about the customer, as compactDocument returns it.
	CustomerDoc json.RawMessage `json:"customer_doc,omitempty"`
	Lines       []Line          `json:"lines"`
	Channel     string          `json:"channel,omitempty"`
	// Drawn tells which units are of the shares of other channels.
	Drawn reservation.Drawn `json:"drawn,omitempty"`
	// PaymentRef is the reference or token that the shop sent for the payment.
	PaymentRef      string          `json:"payment_ref,omitempty"`
	Metadata        json.RawMessage `json:"metadata,omitempty"`
	CreatedAtMillis int64           `json:"created_at_ms"`
	Epoch           int64           `json:"epoch"`
}

// Line is a quantity of one item at the price of the sale. UnitAmount is in minor units of
// Currency; both are zero for an item without a price.
type Line struct {
	SKU        string `json:"sku"`
	Quantity   int64  `json:"quantity"`
	UnitAmount int64  `json:"unit_amount,omitempty"`
	Currency   string `json:"currency,omitempty"`
}

// Stored is an order as the ledger holds it.
type Stored struct {
	Order
	Status            string // committed, payment_pending, paid, declined, failed or refunded
	CommittedAtMillis int64  // 0 for an order that failed
}

// Units returns what of each item was ordered.
func (o *Order) Units() []reservation.Line {
	lines := make([]reservation.Line, len(o.Lines))
	for i, line := range o.Lines {
		lines[i] = reservation.Line{SKU: line.SKU, Quantity: line.Quantity}
	}
	return lines
}

// Settlement tells Redis that the order is in the ledger.
func (o *Order) Settlement(committedAtMillis int64) reservation.Settlement {
	return reservation.Settlement{
		ReservationID: o.Reservation, CustomerKey: o.Customer, Channel: o.Channel, Lines: o.Units(), Drawn: o.Drawn,
		OrderedAtMillis: o.CreatedAtMillis, CommittedAtMillis: committedAtMillis,
	}
}

// Settlements returns the settlement of each order.
func Settlements(orders []Order, committedAtMillis int64) []reservation.Settlement {
	all := make([]reservation.Settlement, len(orders))
	for i := range orders {
		all[i] = orders[i].Settlement(committedAtMillis)
	}
	return all
}

// EncodeOrder returns the record of an order in the log.
func EncodeOrder(o Order) ([]byte, error) {
	raw, err := encode(o)
	if err != nil {
		return nil, fmt.Errorf("checkout: encode order %s: %w", o.ID, err)
	}
	return raw, nil
}

// encode is json.Marshal without the escaping of <, > and &, which would make a document of the
// shop up to six times as long as it was when it was checked.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

var errIncomplete = errors.New("it lacks an id, a sale, a reservation or lines")

// DecodeOrder reads a record of the log, or of a dead letter. Members that it does not know are
// ignored, so that a newer node's orders can be drained by an older one.
func DecodeOrder(record []byte) (Order, error) {
	var o Order
	if err := json.Unmarshal(record, &o); err != nil {
		return Order{}, fmt.Errorf("checkout: not an order: %w", err)
	}
	if o.ID == "" || o.Sale == "" || o.Reservation == "" || len(o.Lines) == 0 {
		return Order{}, fmt.Errorf("checkout: not an order: %w", errIncomplete)
	}
	return o, nil
}
