package notify

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/queue"
)

// called is the message: it is somebody's turn.
type called struct {
	wish        *wish
	saleName    string
	claimBefore time.Time
	link        string
}

// name is the same for each message to one ticket by one way. It is 32 characters of base64url, as the topic of a
// push message may be, and tells nobody which ticket it is.
func (c *called) name() string {
	t := &c.wish.Ticket
	sum := sha256.Sum256(fmt.Appendf(nil, "penstock called %s %d %d %s", t.Sale, t.Number, t.IssuedMillis, c.wish.way()))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

// roomPath leads to the waiting room of a sale.
func roomPath(saleID string) string { return "/sales/" + saleID }

// linkToPlace leads to a visitor's place on any device, until it can be claimed no more.
func (t *Teller) linkToPlace(ticket queue.Ticket, until time.Time) string {
	sealed := t.deps.Links.SealTicket(ticket.Sale, t.deps.Tickets.Sign(ticket), until)
	return t.deps.PublicURL + roomPath(ticket.Sale) + "?" + roomlink.MoveQuery + "=" + sealed
}
