package shadow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/reservation"
)

// scope tells the idempotency keys of mirrored calls from those of buyers.
const scope = "shadow"

const (
	// carryWait bounds how long a cancellation waits until its units are on sale.
	carryWait = 3 * time.Second
	carryPoll = 20 * time.Millisecond
)

// MaxReference bounds the shop's reference of a call, in bytes.
const MaxReference = 128

// Call is what the shop made of one request.
type Call struct {
	Sale string
	// Key names the call: the same one again is decided and counted once.
	Key     string
	Outcome ledger.ShadowOutcome
	// Customer is the one form of the customer's name; empty when it is not known, and then no limit for each
	// customer applies. It is not kept.
	Customer string
	Lines    []reservation.Line // none for a cancelled call
	// Reference is how the shop names the sale. A cancelled call names the accepted one by it.
	Reference string
	At        time.Time
}

// Verdict is what Penstock would have made of a call.
type Verdict struct {
	Outcome ledger.ShadowOutcome
	// Code is why Penstock would have refused; "" when it would have sold.
	Code problem.Code
}

// Decide decides a call at once. The same call again has the same verdict.
//
// Codes: unknown_sale, not_in_shadow, unknown_sku, idempotency_mismatch, unknown_reference, bad_request,
// unavailable, overloaded; or ledger.ErrShadowFull.
func (s *Shadow) Decide(ctx context.Context, c Call) (Verdict, error) {
	entry, err := s.find(c.Sale)
	if err != nil {
		return Verdict{}, err
	}
	known, found, err := s.known(ctx, &c)
	switch {
	case err != nil || found:
		return known, err
	case c.Outcome == ledger.ShadowCancelled:
		return s.cancel(ctx, &c)
	}
	chosen, err := s.choose(ctx, entry, &c)
	if err != nil {
		return Verdict{}, err
	}
	return s.complete(ctx, entry, &c, chosen)
}

// find returns a sale in shadow mode. Codes: unknown_sale, unavailable, not_in_shadow.
func (s *Shadow) find(saleID string) (*salecache.Entry, error) {
	entry := s.deps.Sales.Get(saleID)
	switch {
	case entry == nil && s.deps.Sales.Complete():
		return nil, problem.UnknownSale
	case entry == nil:
		return nil, problem.With(problem.Unavailable, "this node does not know every sale yet")
	case !entry.Record().Shadow:
		return nil, problem.NotInShadow
	}
	return entry, nil
}

// known finds the verdict of a call that was decided before. Code: idempotency_mismatch.
func (s *Shadow) known(ctx context.Context, c *Call) (Verdict, bool, error) {
	stored, found, err := s.deps.Ledger.ShadowCall(ctx, c.Sale, c.Key)
	switch {
	case err != nil || !found:
		return Verdict{}, false, err
	case stored.Payload != payloadOf(c):
		return Verdict{}, false, problem.With(problem.IdempotencyMismatch, "the key was used for another call")
	}
	return Verdict{Outcome: stored.Outcome, Code: stored.Code}, true, nil
}

// choice is what the script said of a call.
type choice struct {
	code problem.Code // of the refusal; "" when Penstock sells
	held string       // the reservation of an accepted call
}

// choose has the script decide. From then on the units of an accepted call are held.
func (s *Shadow) choose(ctx context.Context, entry *salecache.Entry, c *Call) (choice, error) {
	request := reservation.Request{IdempotencyKey: c.Key, Scope: scope, Customer: c.Customer, Lines: c.Lines}
	if request.Customer == "" {
		request.Customer = scope + ":" + c.Key // nobody else's
	}
	if c.Outcome == ledger.ShadowRefused {
		code, err := refusal(entry.Stock().Probe(ctx, request))
		return choice{code: code}, err
	}
	held, _, err := entry.Stock().Reserve(ctx, request)
	code, err := refusal(err)
	return choice{code: code, held: held.ID}, err
}

// complete orders the units that are held, and records the verdict.
func (s *Shadow) complete(ctx context.Context, entry *salecache.Entry, c *Call, chosen choice) (Verdict, error) {
	if chosen.held == "" {
		return s.record(ctx, c, chosen.code)
	}
	metadata, err := json.Marshal(map[string]any{"shadow": true, "reference": c.Reference})
	if err != nil {
		return Verdict{}, err
	}
	_, err = s.deps.Desk.Accept(ctx, entry.Stock(), entry.Record(), checkout.OrderRequest{
		Reservation: chosen.held, IdempotencyKey: scope + " " + c.Key, By: reservation.Proof{Proved: true}, Metadata: metadata,
	})
	if err != nil {
		return Verdict{}, err
	}
	return s.record(ctx, c, "")
}

// refusal tells the refusals that buyers meet from failures.
func refusal(err error) (problem.Code, error) {
	for _, code := range []problem.Code{problem.SoldOut, problem.LimitExceeded, problem.SaleNotOpen, problem.SalePaused, problem.InvalidQuantity} {
		if errors.Is(err, code) {
			return code, nil
		}
	}
	return "", err
}

// record writes a verdict to the ledger.
func (s *Shadow) record(ctx context.Context, c *Call, code problem.Code) (Verdict, error) {
	row := rowOf(c)
	row.Code = code
	full, err := s.records.Do(ctx, &row)
	if err != nil || full != nil {
		return Verdict{}, errors.Join(err, full)
	}
	s.metrics.decided(c.Outcome, code)
	return Verdict{Outcome: c.Outcome, Code: code}, nil
}

// cancel takes an accepted call back, and waits for a moment until the units are on sale: what the shop sells next
// may be one of them.
func (s *Shadow) cancel(ctx context.Context, c *Call) (Verdict, error) {
	version, err := s.deps.Ledger.CancelShadow(ctx, rowOf(c))
	if err != nil {
		return Verdict{}, err
	}
	s.metrics.decided(c.Outcome, "")
	if version == 0 {
		return Verdict{Outcome: c.Outcome}, nil
	}
	s.deps.Sales.AskLeader() // it carries the stock to Redis
	for end := time.Now().Add(carryWait); time.Now().Before(end); {
		if entry := s.deps.Sales.Get(c.Sale); entry == nil || entry.Record().Version >= version || !sleep(ctx, carryPoll) {
			break
		}
	}
	return Verdict{Outcome: c.Outcome}, nil
}

func rowOf(c *Call) ledger.ShadowCall {
	row := ledger.ShadowCall{
		Sale: c.Sale, Key: c.Key, Payload: payloadOf(c), AtMillis: c.At.UnixMilli(), Outcome: c.Outcome,
		Reference: c.Reference, Units: map[string]int64{},
	}
	for _, line := range c.Lines {
		row.Units[line.SKU] += line.Quantity
	}
	return row
}

// payloadOf hashes what the same key must come with again. The customer is no part of it: a hash of a name
// tells the name to whoever guesses it.
func payloadOf(c *Call) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %q", c.Outcome, c.Reference)
	for _, line := range c.Lines {
		fmt.Fprintf(&text, " %q=%d", line.SKU, line.Quantity)
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:16])
}

// CleanReference makes a reference one that the ledger can keep: of bounded length, without control characters.
func CleanReference(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), MaxReference)], "")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}
