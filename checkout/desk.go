package checkout

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

const (
	acceptTimeout      = 4 * time.Second // for the append of one order, whatever its client does
	unavailableSeconds = 1               // Retry-After when the log does not take an order
)

// OrderRequest asks to turn a reservation into an order.
type OrderRequest struct {
	Reservation string
	// IdempotencyKey should already tell apart callers who choose keys on their own.
	IdempotencyKey string
	// PayloadHash tells requests apart; all zero: it is made of the members below.
	PayloadHash [16]byte
	CustomerDoc json.RawMessage
	PaymentRef  string
	Metadata    json.RawMessage
}

// Desk accepts orders on one node.
type Desk struct {
	log     *Log
	slog    *slog.Logger
	metrics *Metrics
	cleaner *outboxCleaner
}

// NewDesk opens a desk on an order log. Close it before the log.
func NewDesk(orderLog *Log, log *slog.Logger) *Desk {
	return &Desk{log: orderLog, slog: log, metrics: orderLog.metrics, cleaner: newOutboxCleaner(log, orderLog.metrics)}
}

// Close takes what was published off the outboxes, until ctx ends. What stays is relayed later.
func (d *Desk) Close(ctx context.Context) { d.cleaner.close(ctx) }

// Accept confirms the reservation and returns once the order is durable in the order log. The
// same request again gives the same order, again=true, with the same promise. Refusals are those
// of reservation.Stock.Confirm; unavailable (503) means that the order is not known to be durable:
// it is in the outbox, asking again or the relay will bring it into the log.
func (d *Desk) Accept(ctx context.Context, stock *reservation.Stock, rec sale.Record, req OrderRequest) (o Order, again bool, err error) {
	draft, err := encodeDraft(req)
	if err != nil {
		return Order{}, false, problem.With(problem.BadRequest, "the order is not valid JSON")
	}
	if len(draft) > maxDraftBytes {
		return Order{}, false, problem.BodyTooLarge
	}
	confirmed, err := stock.Confirm(ctx, reservation.Confirmation{
		ReservationID: req.Reservation, IdempotencyKey: req.IdempotencyKey, PayloadHash: payloadHash(req), Order: draft,
	})
	if err != nil {
		return Order{}, false, err
	}
	if confirmed.Order != nil { // the first request's words, should this one's be spelt differently
		draft = confirmed.Order
	}
	if o, err = complete(draft, confirmed.Reservation, rec); err != nil {
		return Order{}, false, err
	}
	if confirmed.Published {
		return o, true, nil
	}
	if err := d.publish(ctx, o); err != nil {
		return Order{}, confirmed.Again, err
	}
	d.cleaner.published(stock, o.Reservation)
	return o, confirmed.Again, nil
}

// publish appends the order to the log. The client's going away does not stop it: the reservation
// is confirmed, so the order had better get there.
func (d *Desk) publish(ctx context.Context, o Order) error {
	record, err := EncodeOrder(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptTimeout)
	defer cancel()
	if err := d.log.Append(ctx, record); err != nil {
		if errors.Is(err, ErrOrderTooLarge) {
			return problem.BodyTooLarge
		}
		d.slog.Warn("an order could not be published yet", "order", o.ID, "sale", o.Sale, "error", err)
		return problem.Retry(problem.Unavailable, "the order log is not available; try again", unavailableSeconds)
	}
	return nil
}

// A draft is what of an order is not in its reservation. The outbox holds drafts, because only the
// script that confirms a reservation sees what is in it; complete adds the rest.
type draft struct {
	CustomerDoc json.RawMessage `json:"customer_doc,omitempty"`
	PaymentRef  string          `json:"payment_ref,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
}

// maxDraftBytes leaves room for the lines within MaxOrderBytes.
const maxDraftBytes = MaxOrderBytes - 32<<10

func encodeDraft(req OrderRequest) ([]byte, error) {
	return json.Marshal(draft{CustomerDoc: req.CustomerDoc, PaymentRef: req.PaymentRef, Metadata: req.Metadata})
}

func complete(raw []byte, r reservation.Reservation, rec sale.Record) (Order, error) {
	var from draft
	if err := json.Unmarshal(raw, &from); err != nil {
		return Order{}, problem.With(problem.InternalError, "the outbox holds something that is no order: "+err.Error())
	}
	o := Order{
		ID: reservation.OrderID(r.ID), Sale: r.Sale, Reservation: r.ID, Customer: r.Customer, CustomerDoc: from.CustomerDoc,
		Lines: make([]Line, len(r.Lines)), Channel: r.Channel, PaymentRef: from.PaymentRef, Metadata: from.Metadata,
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

func payloadHash(req OrderRequest) [16]byte {
	if req.PayloadHash != ([16]byte{}) {
		return req.PayloadHash
	}
	h := sha256.New()
	for _, part := range [][]byte{[]byte(req.Reservation), req.CustomerDoc, []byte(req.PaymentRef), req.Metadata} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return [16]byte(h.Sum(nil)[:16])
}
