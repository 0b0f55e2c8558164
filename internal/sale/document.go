package sale

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// The defaults of a sale that leaves them out.
const (
	DefaultRatePerMinute = 600
	DefaultMaxActive     = 500
	DefaultPassTTL       = Duration(10 * time.Minute)
	DefaultClaimWindow   = Duration(2 * time.Minute)
	DefaultMaxNetworks   = 20
	DefaultTTL           = Duration(5 * time.Minute)
	DefaultMaxExtensions = 1
)

// document is what a person sends: a sale, in which what is absent can be told from what is zero,
// and the members that a read adds, which a write ignores so that what was read can be sent back.
type document struct {
	Sale
	Reservation struct {
		Terms
		MaxExtensions *int `json:"max_extensions"`
	} `json:"reservation"`
	Phase     json.RawMessage `json:"phase,omitempty"`
	NotArmed  json.RawMessage `json:"not_armed_because,omitempty"`
	Paused    json.RawMessage `json:"paused,omitempty"`
	Ended     json.RawMessage `json:"ended,omitempty"`
	Message   json.RawMessage `json:"message,omitempty"`
	Until     json.RawMessage `json:"message_until,omitempty"`
	InPhase   json.RawMessage `json:"message_phase,omitempty"`
	Version   json.RawMessage `json:"version,omitempty"`
	Epoch     json.RawMessage `json:"epoch,omitempty"`
	CreatedAt json.RawMessage `json:"created_at,omitempty"`
	UpdatedAt json.RawMessage `json:"updated_at,omitempty"`
}

// Decode reads a sale from JSON, fills in the defaults and validates it. Unknown members are an
// error. Errors are *Invalid.
func Decode(doc []byte) (Sale, error) {
	var d document
	if err := decodeStrictly(doc, &d); err != nil {
		return Sale{}, err
	}
	s := d.Sale
	s.Reservation = d.Reservation.Terms
	s.Reservation.MaxExtensions = DefaultMaxExtensions
	if given := d.Reservation.MaxExtensions; given != nil {
		s.Reservation.MaxExtensions = *given
	}
	s = s.WithDefaults()
	return s, s.Validate()
}

func decodeStrictly(doc []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return explain(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return invalid("document", "something follows the JSON object")
	}
	return nil
}

// explain words the errors of encoding/json for the person who wrote the document.
func explain(err error) error {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	text := err.Error()
	switch {
	case errors.As(err, &wrongType):
		return invalid(strings.TrimPrefix(wrongType.Field, "Sale."), "a JSON %s is not possible here", wrongType.Value)
	case errors.As(err, &syntax):
		return invalid("document", "malformed JSON at byte %d", syntax.Offset)
	case strings.HasPrefix(text, "json: unknown field "):
		return invalid(strings.Trim(strings.TrimPrefix(text, "json: unknown field "), `"`), "is not a member of a sale")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("document", "the JSON is cut off")
	default:
		return invalid("document", "%s", strings.TrimPrefix(text, "json: "))
	}
}

// WithDefaults fills in what the sale leaves out and brings the times to UTC milliseconds, which
// is what every store keeps. MaxExtensions, for which zero has a meaning, is left as it is.
func (s Sale) WithDefaults() Sale {
	s.StartsAt, s.EndsAt = millis(s.StartsAt), millis(s.EndsAt)
	if s.OpensAt.IsZero() {
		s.OpensAt = s.StartsAt
	}
	s.OpensAt = millis(s.OpensAt)
	if s.Admission.Order == "" {
		s.Admission.Order = FIFO
	}
	setDefault(&s.Admission.Mode, Queue)
	setDefault(&s.Admission.RatePerMinute, DefaultRatePerMinute)
	setDefault(&s.Admission.MaxActive, DefaultMaxActive)
	if s.Admission.Mode == Standby {
		var terms StandbyTerms
		if given := s.Admission.Standby; given != nil {
			terms = *given
		}
		terms.setDefaults(s.Admission.RatePerMinute)
		s.Admission.Standby = &terms
	}
	setDefault(&s.Admission.PassTTL, DefaultPassTTL)
	setDefault(&s.Admission.ClaimWindow, DefaultClaimWindow)
	setDefault(&s.Admission.PassBinding, BindNothing)
	setDefault(&s.Admission.MaxNetworks, DefaultMaxNetworks)
	setDefault(&s.Reservation.TTL, DefaultTTL)
	setDefault(&s.Reservation.Customer, Normalized)
	setDefault(&s.Reservation.PlusTags, KeepTags)
	setDefault(&s.Payment.Mode, PaymentNone)
	setDefault(&s.Durability, Journaled)
	setDefault(&s.Handover, HandoverCode)
	s.Draw = s.Draw.withDefaults()
	s.Spill = append([]Spill(nil), s.Spill...)
	for i := range s.Spill {
		s.Spill[i].At = millis(s.Spill[i].At)
	}
	s.Items = append([]Item(nil), s.Items...)
	for i := range s.Items {
		setDefault(&s.Items[i].Name, s.Items[i].SKU)
	}
	return s
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func millis(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Millisecond)
}

// EncodeRecord writes a record in the form in which it is kept.
func EncodeRecord(r Record) []byte {
	data, err := json.Marshal(r)
	if err != nil {
		// Only a time outside the years 0 to 9999 can fail, and Validate bounds the times.
		return nil
	}
	return data
}

// DecodeRecord reads what EncodeRecord wrote. What an earlier version did not write gets its default.
func DecodeRecord(data []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, fmt.Errorf("a stored sale cannot be read: %w", err)
	}
	r.Sale = r.WithDefaults()
	return r, nil
}
