package checkout

import (
	"encoding/json"
	"fmt"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

// A draft is what of an order is not in its reservation. The outbox holds drafts, because only the
// script that confirms a reservation sees what is in it; complete adds the rest.
type draft struct {
	CustomerDoc json.RawMessage `json:"customer_doc,omitempty"`
	PaymentRef  string          `json:"payment_ref,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
}

// encodeDraft checks what the shop sent and returns the draft's bytes. The order that it becomes,
// with any reservation of the sale, is valid and has at most maxBytes, and no card data is in it. Codes:
// bad_request, body_too_large, card_data.
func encodeDraft(req OrderRequest, rec sale.Record, maxBytes int) ([]byte, error) {
	customer, err := compactDocument("customer", req.CustomerDoc)
	if err != nil {
		return nil, err
	}
	metadata, err := compactDocument("metadata", req.Metadata)
	if err != nil {
		return nil, err
	}
	if err := validPayment(req.PaymentRef); err != nil {
		return nil, err
	}
	if err := withoutCardData(req.PaymentRef, customer, metadata); err != nil {
		return nil, err
	}
	raw, err := joinDraft(customer, req.PaymentRef, metadata)
	if err != nil {
		return nil, badMember("payment", "cannot be encoded as JSON")
	}
	if most := maxBytes - addedBytes(rec); len(raw) > most {
		return nil, problem.With(problem.BodyTooLarge,
			fmt.Sprintf("customer, payment and metadata have %d bytes together; this server takes %d", len(raw), max(0, most)))
	}
	return raw, nil
}

// joinDraft writes a draft of documents that are compact already, which encode would read once more.
func joinDraft(customer json.RawMessage, paymentRef string, metadata json.RawMessage) ([]byte, error) {
	raw := make([]byte, 0, len(customer)+len(paymentRef)+len(metadata)+64)
	raw = append(raw, '{')
	member := func(name string, value []byte) {
		if len(value) == 0 {
			return
		}
		if len(raw) > 1 {
			raw = append(raw, ',')
		}
		raw = append(append(raw, name...), value...)
	}
	member(`"customer_doc":`, customer)
	if paymentRef != "" {
		text, err := encode(paymentRef)
		if err != nil {
			return nil, err
		}
		member(`"payment_ref":`, text)
	}
	member(`"metadata":`, metadata)
	return append(raw, '}'), nil
}

const (
	// frameBytes is the most that an order has beside its draft and its lines: names of members,
	// ids, the customer's hash, the channel, the time and the epoch.
	frameBytes = 640
	// lineBytes is the most that a line has beside its SKU, and priceBytes what a price adds to it
	// beside the currency.
	lineBytes  = len(`{"sku":"","quantity":1000},`)
	drawnBytes = len(`,"drawn":""`) + reservation.MaxDrawn
	priceBytes = len(`,"unit_amount":1000000000000,"currency":""`)
)

// addedBytes is the most that a reservation of the sale adds to a draft.
func addedBytes(rec sale.Record) int {
	sum, longest := 0, 0
	for i := range rec.Items {
		line := lineBytes + len(rec.Items[i].SKU)
		if rec.Items[i].Price != nil {
			line += priceBytes + len(rec.Items[i].Price.Currency)
		}
		sum, longest = sum+line, max(longest, line)
	}
	added := frameBytes + min(sum, reservation.MaxLines*longest)
	if len(rec.Channels) > 1 { // the rules of spill-over may have been others when the units were held
		added += drawnBytes
	}
	return added
}

// complete makes the order of a draft and its reservation.
func complete(raw []byte, r reservation.Reservation, rec sale.Record) (Order, error) {
	var from draft
	if err := json.Unmarshal(raw, &from); err != nil {
		return Order{}, problem.With(problem.InternalError, "the outbox holds something that is not an order: "+err.Error())
	}
	o := Order{
		ID: reservation.OrderID(r.ID), Sale: r.Sale, Reservation: r.ID, Customer: r.Customer, CustomerDoc: from.CustomerDoc,
		Lines: make([]Line, len(r.Lines)), Channel: r.Channel, Drawn: r.Drawn, PaymentRef: from.PaymentRef, Metadata: from.Metadata,
		CreatedAtMillis: r.OrderedAt.UnixMilli(), Epoch: r.Epoch,
	}
	for i, l := range r.Lines {
		o.Lines[i] = Line{SKU: l.SKU, Quantity: l.Quantity}
		if at := rec.ItemIndex(l.SKU); at >= 0 && rec.Items[at].Price != nil {
			o.Lines[i].UnitAmount, o.Lines[i].Currency = rec.Items[at].Price.Amount, rec.Items[at].Price.Currency
		}
	}
	return o, nil
}
