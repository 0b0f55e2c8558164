package notify

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"time"
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

// roomLink leads to the waiting room of a sale. With a ticket it leads to the visitor's place on any device.
func roomLink(publicURL, saleID, ticket string) string {
	link := publicURL + "/sales/" + saleID
	if ticket != "" {
		link += "?ticket=" + url.QueryEscape(ticket)
	}
	return link
}
