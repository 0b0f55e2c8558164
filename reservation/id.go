package reservation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const (
	idPrefix      = "rsv_"
	orderIDPrefix = "ord_"
	coreBytes     = 16
	coreLength    = 22 // base64url of coreBytes without padding
	customerBytes = 12
	payloadBytes  = 16
)

var encoding = base64.RawURLEncoding

// coreMaker derives the core of a reservation's id from the secret and the idempotency key: the
// same key leads to the same record, and nobody without the secret can guess one.
type coreMaker struct{ *keyedHash }

func newCoreMaker(secret []byte) *coreMaker { return &coreMaker{newKeyedHash(secret)} }

// core is base64url(HMAC-SHA256(secret, sale, scope, key)[:16]), each part preceded by its length.
func (m *coreMaker) core(saleID, scope, key string) string {
	buf := make([]byte, 0, 192)
	for _, part := range [...]string{saleID, scope, key} {
		buf = binary.AppendUvarint(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	sum := m.sum(buf)
	return encoding.EncodeToString(sum[:coreBytes])
}

// CustomerKey is the form in which a customer's id is kept: base64url(SHA-256(id)[:12]).
func CustomerKey(customer string) string {
	sum := sha256.Sum256([]byte(customer))
	return encoding.EncodeToString(sum[:customerBytes])
}

// hashText shortens a key of any length: base64url(SHA-256(text)[:16]).
func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return encoding.EncodeToString(sum[:payloadBytes])
}

func makeID(saleID string, epoch int64, core string) string {
	return idPrefix + saleID + "_" + strconv.FormatInt(epoch, 36) + "_" + core
}

// ParseID takes apart an id of the form rsv_<sale>_<epoch in base 36>_<core>. Any node can route
// it by its sale; the epoch is the one in which the reservation was made, and stays with it.
// The error is unknown_reservation.
func ParseID(id string) (saleID string, epoch int64, core string, err error) {
	rest, ok := strings.CutPrefix(id, idPrefix)
	if !ok {
		return "", 0, "", problem.UnknownReservation
	}
	saleID, rest, _ = strings.Cut(rest, "_")
	epochText, core, _ := strings.Cut(rest, "_")
	if !sale.ValidID(saleID) || !validCore(core) {
		return "", 0, "", problem.UnknownReservation
	}
	epoch, err = strconv.ParseInt(epochText, 36, 64)
	if err != nil || epoch < 0 || strconv.FormatInt(epoch, 36) != epochText {
		return "", 0, "", problem.UnknownReservation
	}
	return saleID, epoch, core, nil
}

// validCore accepts only what core can have made, in its one spelling.
func validCore(core string) bool {
	if len(core) != coreLength {
		return false
	}
	raw, err := encoding.Strict().DecodeString(core)
	return err == nil && len(raw) == coreBytes
}

// OrderID is the id of the order that a reservation becomes. It has the same tail.
func OrderID(reservationID string) string {
	return orderIDPrefix + strings.TrimPrefix(reservationID, idPrefix)
}

// ReservationIDOf is the inverse of OrderID. The error is unknown_order.
func ReservationIDOf(orderID string) (string, error) {
	tail, ok := strings.CutPrefix(orderID, orderIDPrefix)
	if !ok {
		return "", problem.UnknownOrder
	}
	id := idPrefix + tail
	if _, _, _, err := ParseID(id); err != nil {
		return "", problem.UnknownOrder
	}
	return id, nil
}
