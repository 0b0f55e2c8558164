package console

import (
	"bufio"
	"encoding/json"
	"net/http"

	"github.com/penstock/penstock/checkout"
)

// orderLines writes each order as a line of JSON, in the shape of the list.
type orderLines struct {
	to      *http.ResponseController
	buffer  *bufio.Writer
	encoder *json.Encoder
}

func newOrderLines(w http.ResponseWriter) *orderLines {
	buffer := bufio.NewWriter(w)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	return &orderLines{to: http.NewResponseController(w), buffer: buffer, encoder: encoder}
}

func (l *orderLines) page(orders []checkout.View) error {
	for i := range orders {
		if err := l.encoder.Encode(&orders[i]); err != nil {
			return err
		}
	}
	if err := l.buffer.Flush(); err != nil {
		return err
	}
	return l.to.Flush()
}
