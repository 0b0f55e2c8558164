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
	// By says who asks: only the holder of the reservation may order it.
	By reservation.Proof
	// PayloadHash tells requests apart; all zero: it is made of the members below.
	PayloadHash [16]byte
	CustomerDoc json.RawMessage
	PaymentRef  string
	Metadata    json.RawMessage
}

// Accepted is an order that is durable.
type Accepted struct {
	Order
	// Again: the same request had made it before.
	Again bool
	// Bearer is who made the reservation, "" when that is not known; PassUntil is when the bearer's pass is
	// over, zero when it was made without one.
	Bearer    string
	PassUntil time.Time
}

// Desk accepts orders on one node.
type Desk struct {
	log     *Log
	slog    *slog.Logger
	metrics *Metrics
}

// NewDesk opens a desk on an order log.
func NewDesk(orderLog *Log, log *slog.Logger) *Desk {
	return &Desk{log: orderLog, slog: log, metrics: orderLog.metrics}
}

// Accept confirms the reservation and returns once the order is durable in the order log. The
// same request again gives the same order (Again), with the same promise.
//
// What the ledger or the log could never take is refused before the reservation is confirmed:
// bad_request, body_too_large or card_data. Further refusals are those of reservation.Stock.Confirm.
// Unavailable (503) means that the order may not be durable yet: it is in the outbox, and asking
// again or the relay brings it into the log.
func (d *Desk) Accept(ctx context.Context, stock *reservation.Stock, rec sale.Record, req OrderRequest) (Accepted, error) {
	draft, err := encodeDraft(req, rec, d.log.MaxRecordBytes())
	if err != nil {
		return Accepted{}, err
	}
	confirmed, err := stock.Confirm(ctx, reservation.Confirmation{
		ReservationID: req.Reservation, IdempotencyKey: req.IdempotencyKey, PayloadHash: payloadHash(req), By: req.By, Order: draft,
	})
	if err != nil {
		return Accepted{}, err
	}
	if confirmed.Order != nil { // the bytes of the first request, if this one differs in white space
		draft = confirmed.Order
	}
	o, err := complete(draft, confirmed.Reservation, rec)
	if err != nil {
		return Accepted{}, err
	}
	accepted := Accepted{Order: o, Again: confirmed.Again, Bearer: confirmed.Reservation.Bearer, PassUntil: confirmed.Reservation.PassUntil}
	if confirmed.Published {
		return accepted, nil
	}
	if err := d.publish(ctx, o); err != nil {
		return Accepted{}, err
	}
	if err := d.takeOffOutbox(ctx, stock, confirmed.Epoch, o); err != nil {
		return Accepted{}, err
	}
	return accepted, nil
}

// takeOffOutbox does so with an order that is in the log, and in the same step makes sure that the sale is
// still the one in which the reservation was confirmed. When it was lost meanwhile, the rebuild may have
// looked at the log before the order was there, and may have given its units to somebody else: then the
// order is not promised. The buyer asks again, and finds the order, or that it failed.
func (d *Desk) takeOffOutbox(ctx context.Context, stock *reservation.Stock, epoch int64, o Order) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptTimeout)
	defer cancel()
	err := stock.Published(ctx, epoch, []string{o.Reservation})
	if err != nil {
		d.metrics.outboxFailures.Inc()
		d.slog.Debug("an order is in the log and not promised yet", "order", o.ID, "sale", o.Sale, "error", err)
	}
	return err
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
