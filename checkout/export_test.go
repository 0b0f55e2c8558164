package checkout

import (
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

// Compose is what Desk.Accept does with a request beside confirming the reservation: the record
// that would be sent to the log.
func Compose(req OrderRequest, r reservation.Reservation, rec sale.Record, maxBytes int) ([]byte, error) {
	raw, err := encodeDraft(req, rec, maxBytes)
	if err != nil {
		return nil, err
	}
	o, err := complete(raw, r, rec)
	if err != nil {
		return nil, err
	}
	return EncodeOrder(o)
}
