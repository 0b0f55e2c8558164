package front

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/customer"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/shadow"
	"github.com/penstock/penstock/reservation"
)

// maxShadowCalls bounds the calls of one request.
const maxShadowCalls = 100

// postShadow takes what a shop's backend has decided in a sale in shadow mode, and answers what Penstock would
// have decided. Each call of the request is decided once, however often the request comes.
func (s *Server) postShadow(c *call) error {
	identity, err := s.mustShop(c)
	if err != nil {
		return err
	}
	if s.Shadow == nil {
		return problem.With(problem.Unavailable, "this node has no ledger to write to")
	}
	key, err := idempotencyKey(c.ctx.Request.Header.PeekCanonical(headerIdempotencyKey))
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	rec := c.entry.Record()
	calls, err := parseShadow(body, &rec.Sale)
	if err != nil {
		return cmp.Or(carddata.RefuseDocument("", body), err)
	}
	hash := s.keys.hash([]byte("shadow"), c.sale, []byte(identity.KeyID), []byte(key))
	if err := s.keys.begin(hash); err != nil {
		return err
	}
	defer s.keys.end(hash)
	ctx, cancel := within(orderTimeout)
	defer cancel()
	for i := range calls {
		calls[i].Key = shadowKey("api", identity.KeyID, key, strconv.Itoa(i))
	}
	return s.decideShadow(ctx, c, calls)
}

func (s *Server) decideShadow(ctx context.Context, c *call, calls []shadow.Call) error {
	c.buf = append(c.buf, `{"calls":[`...)
	for i := range calls {
		verdict, err := s.Shadow.Decide(ctx, calls[i])
		if err != nil {
			c.buf = c.buf[:0]
			return shadowRefusal(err, i)
		}
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.buf = appendVerdict(c.buf, &calls[i], verdict)
	}
	c.buf = append(c.buf, "]}"...)
	c.sendJSON(200)
	return nil
}

// shadowRefusal words why a call was not decided. Those before it were, and are not decided again.
func shadowRefusal(err error, at int) error {
	doc, known := problem.Of(err)
	switch {
	case errors.Is(err, ledger.ErrShadowFull):
		return problem.With(problem.Conflict, fmt.Sprintf("the report of the sale has %d calls, and takes no more", ledger.MaxShadowCalls))
	case known && doc.Status == 404:
		return problem.With(doc.Code, fmt.Sprintf("calls[%d]: %s", at, doc.Detail))
	default:
		return err
	}
}

func appendVerdict(b []byte, c *shadow.Call, v shadow.Verdict) []byte {
	b = append(b, `{"reference":`...)
	b = appendString(b, c.Reference)
	b = append(b, `,"outcome":`...)
	b = appendString(b, string(c.Outcome))
	if c.Outcome == ledger.ShadowCancelled {
		return append(b, '}')
	}
	if v.Code != "" {
		b = append(b, `,"penstock":"refused","code":`...)
		b = appendString(b, string(v.Code))
	} else {
		b = append(b, `,"penstock":"sold"`...)
	}
	b = append(b, `,"agrees":`...)
	return append(strconv.AppendBool(b, (v.Code == "") == (c.Outcome == ledger.ShadowAccepted)), '}')
}

// shadowKey names a call by its parts.
func shadowKey(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// parseShadow reads the body as strictly as parseReservation.
func parseShadow(body []byte, s *sale.Sale) (calls []shadow.Call, err error) {
	r := &reader{data: body}
	err = r.document(func(name string) error {
		if name != "calls" {
			return r.unknown(name)
		}
		return r.array("calls", maxShadowCalls, func() error {
			one, err := parseShadowCall(r, s, len(calls))
			calls = append(calls, one)
			return err
		})
	})
	if err == nil && len(calls) == 0 {
		return nil, badField("calls", "needs at least one call")
	}
	return calls, err
}

func parseShadowCall(r *reader, s *sale.Sale, at int) (shadow.Call, error) {
	var parsed reservationBody
	var outcome, moment string
	call := shadow.Call{Sale: s.ID, At: time.Now()}
	err := r.object(func(name string) error {
		switch name {
		case "outcome":
			return r.stringInto(&outcome)
		case "reference":
			return r.stringInto(&call.Reference)
		case "at":
			return r.stringInto(&moment)
		case "customer":
			return r.stringInto(&parsed.Customer)
		case "items":
			return r.array("items", reservation.MaxLines, func() error { return parseLine(r, &parsed) })
		default:
			return r.unknown(name)
		}
	})
	if err != nil {
		return shadow.Call{}, err
	}
	call.Outcome = ledger.ShadowOutcome(outcome)
	return completeShadowCall(call, &parsed, moment, s, func(name string) string { return fmt.Sprintf("calls[%d].%s", at, name) })
}

// completeShadowCall checks what was read of a call. Field names a member of it.
func completeShadowCall(call shadow.Call, parsed *reservationBody, moment string, s *sale.Sale, field func(string) string) (_ shadow.Call, err error) {
	if call.Reference == "" || len(call.Reference) > shadow.MaxReference || shadow.CleanReference(call.Reference) != call.Reference {
		return shadow.Call{}, badField(field("reference"), "is required, 1 to 128 bytes without control characters")
	}
	if err := carddata.RefuseText(field("reference"), call.Reference); err != nil {
		return shadow.Call{}, err
	}
	if moment != "" {
		if call.At, err = time.Parse(time.RFC3339, moment); err != nil {
			return shadow.Call{}, badField(field("at"), "is a time such as 2030-12-01T10:00:00Z")
		}
	}
	switch call.Outcome {
	case ledger.ShadowCancelled:
		if parsed.Customer != "" || len(parsed.Lines) > 0 {
			return shadow.Call{}, badField(field("items"), "a cancelled call has outcome, reference and at alone: all of its units come back")
		}
		return call, nil
	case ledger.ShadowAccepted, ledger.ShadowRefused:
	default:
		return shadow.Call{}, badField(field("outcome"), "is accepted, refused or cancelled")
	}
	if call.Customer, err = customer.Name(parsed.Customer, s.Reservation); err != nil {
		return shadow.Call{}, badField(field("customer"), err.Error())
	}
	if err := carddata.RefuseText(field("customer"), call.Customer); err != nil {
		return shadow.Call{}, err
	}
	call.Lines = parsed.Lines
	return call, parsed.validate()
}
