package notify

import (
	"encoding/json"
	"fmt"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/queue"
)

// Way is how somebody is told.
type Way string

// The ways.
const (
	Push  Way = "push"
	Email Way = "email"
)

// theShop is the receiver of what goes to the webhook of a sale.
const theShop = "shop"

// wish is what a visitor asked for, as it is sealed. Exactly one of Endpoint and Email is set.
type wish struct {
	Ticket   queue.Ticket `json:"ticket"`
	Language string       `json:"language,omitempty"`
	Email    string       `json:"email,omitempty"`

	Endpoint string `json:"endpoint,omitempty"` // of the push service
	P256dh   string `json:"p256dh,omitempty"`
	Auth     string `json:"auth,omitempty"`
	// PushKey is the public key that the subscription was made for: it believes no other.
	PushKey string `json:"push_key,omitempty"`
}

func (w *wish) way() Way {
	if w.Email != "" {
		return Email
	}
	return Push
}

// row seals a wish for the ledger.
func (w *wish) row(seals *Seals, receiver string) (ledger.Notification, error) {
	row := ledger.Notification{Sale: w.Ticket.Sale, Ticket: int64(w.Ticket.Number), Way: string(w.way()), Receiver: receiver}
	plain, err := json.Marshal(w)
	if err != nil {
		return ledger.Notification{}, fmt.Errorf("notify: %w", err)
	}
	row.Sealed = seals.seal(plain, contextOf(&row))
	return row, nil
}

// readWish opens a row of the ledger.
func readWish(seals *Seals, row *ledger.Notification) (wish, error) {
	var w wish
	plain, err := seals.open(row.Sealed, contextOf(row))
	if err == nil {
		err = json.Unmarshal(plain, &w)
	}
	return w, err
}

// contextOf is what a seal is bound to, so that none can be moved to another row.
func contextOf(row *ledger.Notification) []byte {
	return fmt.Appendf(nil, "penstock notification %s %d %s %s", row.Sale, row.Ticket, row.Way, row.Receiver)
}
