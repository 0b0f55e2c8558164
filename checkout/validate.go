package checkout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

// The bounds of an order. What is within them fits both databases and the order log.
const (
	MaxDocumentBytes   = 64 << 10 // of the customer document and of the metadata, each, without white space
	MaxDocumentDepth   = 500      // objects and arrays inside each other; encoding/json gives up at 10,000
	MaxPaymentRefBytes = 512
	maxNameBytes       = 256 // of an id, a SKU, a channel, a customer's hash, a currency
)

// Validate checks a whole order; the ledger calls it before it commits. What the shop sent is checked
// by the same rules (compactDocument and validPayment) before the hold is confirmed: see encodeDraft.
// An order that passes is refused by neither database for its data. It does not look into the ledger:
// an unknown item, or too few units, is the ledger's to say. The error is bad_request with the member
// in "field", or body_too_large.
//
// It does not look for card data (withoutCardData): an order that was accepted before Penstock did so is kept.
func (o *Order) Validate() error {
	for _, required := range []struct{ field, text string }{
		{"id", o.ID}, {"sale", o.Sale}, {"reservation", o.Reservation},
	} {
		if required.text == "" {
			return badMember(required.field, "is required")
		}
		if err := validName(required.field, required.text); err != nil {
			return err
		}
	}
	if err := validName("customer hash", o.Customer); err != nil {
		return err
	}
	if err := validName("channel", o.Channel); err != nil {
		return err
	}
	if err := o.validateLines(); err != nil {
		return err
	}
	if !o.Drawn.Fits(o.Units()) {
		return badMember("drawn", "does not tell of the lines")
	}
	if err := validPayment(o.PaymentRef); err != nil {
		return err
	}
	if err := validDocument("customer", o.CustomerDoc); err != nil {
		return err
	}
	return validDocument("metadata", o.Metadata)
}

func (o *Order) validateLines() error {
	if len(o.Lines) == 0 || len(o.Lines) > reservation.MaxLines {
		return badMember("lines", fmt.Sprintf("are %d; want 1 to %d", len(o.Lines), reservation.MaxLines))
	}
	for i := range o.Lines {
		line := &o.Lines[i]
		if line.Quantity < 1 || line.Quantity > sale.MaxStock {
			return badMember("lines", fmt.Sprintf("have a quantity of %d; want 1 to %d", line.Quantity, int64(sale.MaxStock)))
		}
		if err := validName("sku", line.SKU); err != nil {
			return err
		}
		if err := validName("currency", line.Currency); err != nil {
			return err
		}
	}
	return nil
}

// ValidPaymentRef checks the token or reference of a payment: 1 to 512 bytes of UTF-8 without a NUL.
func ValidPaymentRef(ref string) error {
	if ref == "" || len(ref) > MaxPaymentRefBytes {
		return badMember("payment", fmt.Sprintf("has either token or reference, 1 to %d bytes", MaxPaymentRefBytes))
	}
	return validText("payment", ref)
}

// validPayment checks the payment of an order, which may have none.
func validPayment(ref string) error {
	if ref == "" {
		return nil
	}
	return ValidPaymentRef(ref)
}

// withoutCardData refuses card data in what a shop sends with an order, before anything of it is written down. It is
// not part of Validate. Code: card_data.
func withoutCardData(paymentRef string, customer, metadata json.RawMessage) error {
	if err := carddata.RefuseDocument("/customer", customer); err != nil {
		return err
	}
	if err := carddata.RefuseText("/payment", paymentRef); err != nil {
		return err
	}
	return carddata.RefuseDocument("/metadata", metadata)
}

// compactDocument returns a document of the shop in the form that is checked, sent and stored: its
// own bytes without white space between them. Nothing is escaped or sorted. Nil stays nil.
func compactDocument(field string, doc json.RawMessage) (json.RawMessage, error) {
	if len(doc) == 0 {
		return nil, nil
	}
	if err := validContent(field, doc); err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	compact.Grow(len(doc))
	if err := json.Compact(&compact, doc); err != nil { // it reads the grammar as json.Valid does
		return nil, badMember(field, "is not well-formed JSON")
	}
	return compact.Bytes(), validSize(field, compact.Bytes())
}

func validDocument(field string, doc json.RawMessage) error {
	if len(doc) == 0 {
		return nil
	}
	if err := validSize(field, doc); err != nil {
		return err
	}
	if err := validContent(field, doc); err != nil {
		return err
	}
	if !json.Valid(doc) {
		return badMember(field, "is not well-formed JSON")
	}
	return nil
}

func validSize(field string, doc json.RawMessage) error {
	if len(doc) > MaxDocumentBytes {
		return problem.With(problem.BodyTooLarge,
			fmt.Sprintf("%s: has %d bytes; at most %d", field, len(doc), MaxDocumentBytes), problem.F("field", field))
	}
	return nil
}

// validContent checks what the grammar of JSON leaves open.
func validContent(field string, doc json.RawMessage) error {
	if !utf8.Valid(doc) {
		return badMember(field, "is not UTF-8")
	}
	if len(doc) > MaxDocumentDepth && depth(doc) > MaxDocumentDepth {
		return badMember(field, fmt.Sprintf("has more than %d objects or arrays inside each other", MaxDocumentDepth))
	}
	return nil
}

// depth counts how many objects and arrays are open at once, at most.
func depth(doc []byte) int {
	deepest, open, inText := 0, 0, false
	for i := 0; i < len(doc); i++ {
		switch b := doc[i]; {
		case inText && b == '\\':
			i++
		case b == '"':
			inText = !inText
		case inText:
		case b == '{' || b == '[':
			open++
			deepest = max(deepest, open)
		case b == '}' || b == ']':
			open--
		}
	}
	return deepest
}

func validName(field, text string) error {
	if len(text) > maxNameBytes {
		return badMember(field, fmt.Sprintf("has %d bytes; at most %d", len(text), maxNameBytes))
	}
	return validText(field, text)
}

// validText accepts what both databases can hold as text: PostgreSQL takes neither a NUL nor what
// is not UTF-8.
func validText(field, text string) error {
	if !utf8.ValidString(text) {
		return badMember(field, "is not UTF-8")
	}
	if strings.IndexByte(text, 0) >= 0 {
		return badMember(field, "must not contain the character U+0000")
	}
	return nil
}

func badMember(field, reason string) error {
	return problem.With(problem.BadRequest, field+": "+reason, problem.F("field", field))
}
