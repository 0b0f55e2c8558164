package notify

import (
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/batch"
	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// Deps is what the desk and the teller work with.
type Deps struct {
	Ledger   *ledger.Ledger
	Seals    *Seals
	PushKeys *PushKeys
	// PushHosts are the push services that may be called; Contact is whom they may turn to. Without it there is no
	// Web Push.
	PushHosts PushHosts
	Contact   string
	// PublicURL is where visitors reach the front; "" when that is not known. Without it there is no e-mail.
	PublicURL string
	// MaxPerSale bounds the wishes of one sale.
	MaxPerSale int64
	Log        *slog.Logger
}

const (
	maxEndpointBytes = 1024
	maxEmailBytes    = 254
	// The wishes of many visitors are stored together.
	wishBatch   = 64
	wishWaiting = 2048
)

// Offer is what a sale offers to those who wait.
type Offer struct {
	Push  bool
	Email bool
	// PublicKey is what a browser makes its subscription for; "" without Push.
	PublicKey string
}

// Any reports whether there is any way.
func (o Offer) Any() bool { return o.Push || o.Email }

// Subscription is a subscription to Web Push as a browser describes it.
type Subscription struct {
	Endpoint, P256dh, Auth string
	// PublicKey is the key that it was made for; "" for the current one.
	PublicKey string
}

// Request is what a visitor asks for: either is set.
type Request struct {
	Push     *Subscription
	Email    string
	Language string
}

// Desk takes the wishes of visitors.
type Desk struct {
	deps  Deps
	saves *batch.Combiner[ledger.Notification, bool]
}

// NewDesk returns a desk. It does nothing by itself.
func NewDesk(deps Deps) *Desk {
	d := &Desk{deps: deps}
	d.saves = batch.New(batch.Options{MaxBatch: wishBatch, MaxWaiting: wishWaiting}, func(ctx context.Context, rows []ledger.Notification) ([]bool, error) {
		return deps.Ledger.SaveNotifications(ctx, rows, deps.MaxPerSale)
	})
	return d
}

// Offer tells what a sale offers here.
func (d *Desk) Offer(s *sale.Sale) Offer {
	o := Offer{Push: s.Notify.WebPush && d.deps.Contact != "", Email: s.Notify.WebhookURL != "" && d.deps.PublicURL != ""}
	if o.Push {
		o.PublicKey = d.deps.PushKeys.Public()
	}
	return o
}

// Subscribe keeps the wish of a ticket's holder. The caller knows that the ticket waits. Codes: bad_request,
// card_data, notifications_off, notifications_full, overloaded, unavailable.
func (d *Desk) Subscribe(ctx context.Context, s *sale.Sale, ticket queue.Ticket, r Request) error {
	wanted, receiver, err := d.read(s, ticket, r)
	if err != nil {
		return err
	}
	row, err := wanted.row(d.deps.Seals, receiver)
	if err != nil {
		return err
	}
	kept, err := d.saves.Do(ctx, row)
	switch {
	case errors.Is(err, batch.ErrFull), errors.Is(err, batch.ErrClosed):
		return problem.Retry(problem.Overloaded, "too many visitors ask for a notification; come back in a moment", 1)
	case err != nil:
		return fmt.Errorf("keep a notification: %w: %w", problem.Unavailable, err)
	case !kept:
		return problem.NotificationsFull
	}
	return nil
}

// Check is Subscribe for somebody who is never told, of whom nothing is kept. Codes: bad_request, card_data,
// notifications_off.
func (d *Desk) Check(s *sale.Sale, r Request) error {
	_, _, err := d.read(s, queue.Ticket{}, r)
	return err
}

// read checks what a visitor asks for, and says who is to be called for it.
func (d *Desk) read(s *sale.Sale, ticket queue.Ticket, r Request) (wanted wish, receiver string, err error) {
	if (r.Push == nil) == (r.Email == "") {
		return wish{}, "", problem.With(problem.BadRequest, "want either push or email")
	}
	offer := d.Offer(s)
	wanted = wish{Ticket: ticket, Language: languageOf(r.Language)}
	switch {
	case r.Push != nil && !offer.Push, r.Email != "" && !offer.Email:
		return wish{}, "", problem.NotificationsOff
	case r.Push != nil:
		receiver, err = d.takePush(&wanted, r.Push)
	default:
		receiver, err = theShop, takeEmail(&wanted, r.Email)
	}
	return wanted, receiver, err
}

// Forget removes what a ticket's holder asked for. The error is unavailable.
func (d *Desk) Forget(ctx context.Context, ticket queue.Ticket) error {
	if err := d.deps.Ledger.ForgetNotifications(ctx, ticket.Sale, int64(ticket.Number)); err != nil {
		return fmt.Errorf("forget a notification: %w: %w", problem.Unavailable, err)
	}
	return nil
}

// takePush checks a subscription.
func (d *Desk) takePush(w *wish, s *Subscription) (receiver string, err error) {
	if len(s.Endpoint) <= maxEndpointBytes {
		receiver = d.deps.PushHosts.receiver(s.Endpoint)
	}
	if receiver == "" {
		return "", problem.With(problem.BadRequest, "push.endpoint: is not an https address of a push service that is known here")
	}
	point, ok := ofBytes(s.P256dh, p256dhBytes)
	if ok {
		_, err := ecdh.P256().NewPublicKey(point)
		ok = err == nil
	}
	if !ok {
		return "", problem.With(problem.BadRequest, "push.keys.p256dh: is not a public key of the curve P-256 in base64url")
	}
	if _, ok := ofBytes(s.Auth, authBytes); !ok {
		return "", problem.With(problem.BadRequest, "push.keys.auth: want 16 bytes in base64url")
	}
	w.PushKey = strings.TrimRight(s.PublicKey, "=")
	if w.PushKey == "" {
		w.PushKey = d.deps.PushKeys.Public()
	}
	if _, known := d.deps.PushKeys.find(w.PushKey); !known {
		return "", problem.With(problem.BadRequest, "push.application_server_key: is not a key of this installation")
	}
	w.Endpoint, w.P256dh, w.Auth = s.Endpoint, s.P256dh, s.Auth
	return receiver, carddata.RefuseText("/push/endpoint", s.Endpoint)
}

// takeEmail checks that an address can be one.
func takeEmail(w *wish, email string) error {
	parsed, err := mail.ParseAddress(email)
	_, domain, _ := strings.Cut(email, "@")
	if err != nil || parsed.Address != email || len(email) > maxEmailBytes || !strings.Contains(strings.Trim(domain, "."), ".") ||
		strings.ContainsFunc(email, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return problem.With(problem.BadRequest, "email: is not an e-mail address")
	}
	w.Email = email
	return carddata.RefuseText("/email", email)
}

// forgetTimeout bounds what a visitor who leaves waits for the ledger.
const forgetTimeout = 500 * time.Millisecond

// Left removes, as far as the ledger answers at once, what the holder of a ticket asked for who has left. What stays
// is removed by the teller.
func (d *Desk) Left(s *sale.Sale, ticket queue.Ticket) {
	if !s.Notify.On() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), forgetTimeout)
	defer cancel()
	if err := d.Forget(ctx, ticket); err != nil {
		d.deps.Log.Debug("a notification of somebody who left stays until their turn", "sale", ticket.Sale, "error", err)
	}
}
