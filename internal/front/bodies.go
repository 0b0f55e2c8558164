package front

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/customer"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

// The bounds of what a body may say. They keep what one request costs small, whoever sends it.
const (
	MaxBodyBytes    = 64 << 10
	maxLineQuantity = reservation.MaxQuantity
)

// reservationBody is the body of POST /v1/sales/{sale}/reservations.
type reservationBody struct {
	// Customer is the one form of the name that was sent: nothing behind this sees another.
	Customer string
	Channel  string
	Lines    []reservation.Line
}

// parseReservation reads the body strictly: a member that is unknown, twice there, missing or of
// the wrong kind is refused by name. It is written by hand because it stands before the answer
// "sold out", which is given more often than any other. The terms of the sale say which spellings are
// one customer.
func parseReservation(body []byte, terms sale.Terms) (reservationBody, error) {
	var parsed reservationBody
	r := &reader{data: body}
	if err := r.document(func(name string) error { return parsed.member(r, name) }); err != nil {
		return reservationBody{}, err
	}
	err := parsed.check(terms)
	return parsed, err
}

// member reads one member.
func (b *reservationBody) member(r *reader, name string) error {
	switch name {
	case "customer":
		return r.stringInto(&b.Customer)
	case "channel":
		return r.stringInto(&b.Channel)
	case "items":
		return r.array("items", reservation.MaxLines, func() error { return parseLine(r, b) })
	default:
		return r.unknown(name)
	}
}

// check brings the customer into the one form, and judges the rest.
func (b *reservationBody) check(terms sale.Terms) (err error) {
	if b.Customer, err = customer.Name(b.Customer, terms); err != nil {
		return badField("customer", err.Error())
	}
	if err := carddata.RefuseText("/customer", b.Customer); err != nil { // its hash would tell it: there are few card numbers
		return err
	}
	return b.validate()
}

func parseLine(r *reader, parsed *reservationBody) error {
	var line reservation.Line
	var hasSKU, hasQuantity bool
	err := r.object(func(name string) error {
		switch name {
		case "sku":
			hasSKU = true
			return r.stringInto(&line.SKU)
		case "quantity":
			hasQuantity = true
			return r.integerInto(&line.Quantity)
		default:
			return r.unknown(name)
		}
	})
	if err != nil {
		return err
	}
	if !hasSKU || !hasQuantity {
		return badField(fmt.Sprintf("items[%d]", len(parsed.Lines)), "needs sku and quantity")
	}
	parsed.Lines = append(parsed.Lines, line)
	return nil
}

func (b *reservationBody) validate() error {
	if len(b.Channel) > 32 {
		return badField("channel", "is 32 characters at most")
	}
	if len(b.Lines) == 0 {
		return badField("items", "needs at least one item")
	}
	for i := range b.Lines {
		if err := b.validateLine(i); err != nil {
			return err
		}
	}
	return nil
}

func (b *reservationBody) validateLine(i int) error {
	line := &b.Lines[i]
	if line.SKU == "" || len(line.SKU) > 64 {
		return badField(fmt.Sprintf("items[%d].sku", i), "is 1 to 64 characters")
	}
	if line.Quantity < 1 || line.Quantity > maxLineQuantity {
		return problem.With(problem.InvalidQuantity, fmt.Sprintf("items[%d].quantity: want 1 to %d", i, maxLineQuantity))
	}
	for j := range i {
		if b.Lines[j].SKU == line.SKU {
			return badField(fmt.Sprintf("items[%d].sku", i), "is there twice; name each item once")
		}
	}
	return nil
}

// orderBody is the body of POST /v1/orders.
type orderBody struct {
	Reservation string
	Customer    json.RawMessage
	PaymentRef  string
	Metadata    json.RawMessage
}

// parseOrder reads the body as strictly as parseReservation. The customer and the metadata belong
// to the shop and are passed on as they are, if they are objects; the desk checks what is in them.
func parseOrder(body []byte) (orderBody, error) {
	var parsed orderBody
	r := &reader{data: body}
	if err := r.document(func(name string) error { return parsed.member(r, name) }); err != nil {
		return orderBody{}, err
	}
	return parsed, parsed.check()
}

// member reads one member.
func (b *orderBody) member(r *reader, name string) error {
	switch name {
	case "reservation":
		return r.stringInto(&b.Reservation)
	case "customer":
		return r.rawObjectInto(&b.Customer)
	case "payment":
		return parsePayment(r, &b.PaymentRef)
	case "metadata":
		return r.rawObjectInto(&b.Metadata)
	default:
		return r.unknown(name)
	}
}

func (b *orderBody) check() error {
	switch {
	case b.Reservation == "":
		return badField("reservation", "is required")
	case b.Customer == nil:
		return badField("customer", "is required, an object")
	}
	return nil
}

// parsePayment reads {"token": …} or {"reference": …}.
func parsePayment(r *reader, ref *string) error {
	members := 0
	err := r.object(func(name string) error {
		if name != "token" && name != "reference" {
			return r.unknown("payment." + name)
		}
		members++
		return r.stringInto(ref)
	})
	if err != nil {
		return err
	}
	if members != 1 {
		*ref = ""
	}
	return checkout.ValidPaymentRef(*ref)
}

// parseNothing reads the body of a call that takes none: absent, blank, or an empty object.
func parseNothing(body []byte) error {
	r := &reader{data: body}
	if r.space(); r.pos == len(body) {
		return nil
	}
	return r.document(func(name string) error { return r.unknown(name) })
}

func badField(field, reason string) error {
	if !utf8.ValidString(field) {
		field = "a member"
	}
	return problem.With(problem.BadRequest, field+": "+reason, problem.F("field", field))
}
