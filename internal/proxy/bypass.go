package proxy

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"time"

	"github.com/penstock/penstock/internal/address"
)

// bypass says who needs no pass on a site: staff, monitoring, and holders of signed links.
type bypass struct {
	networks   []netip.Prefix
	headers    []secretHeader
	linkSecret []byte   // nil without signed links
	stripped   []string // the names of the headers; the shop does not get them
}

// secretHeader lets through whoever sends a header with a secret value.
type secretHeader struct {
	name string
	hash [sha256.Size]byte // of the value, so that comparing takes the same time whatever its length
}

// lets reports whether the request needs no pass. An address of which it is not sure that it is the
// visitor's is not believed.
func (b *bypass) lets(h *head, from *origin, now time.Time) bool {
	if from.visitor.IsValid() && from.sure && address.In(b.networks, from.visitor) {
		return true
	}
	for i := range b.headers {
		if b.headers[i].isIn(h) {
			return true
		}
	}
	return b.linkSecret != nil && linkHolds(b.linkSecret, h.path, h.query, now)
}

func (s *secretHeader) isIn(h *head) bool {
	for _, f := range h.fields {
		if !f.is(s.name) {
			continue
		}
		sent := sha256.Sum256(f.value)
		if subtle.ConstantTimeCompare(sent[:], s.hash[:]) == 1 {
			return true
		}
	}
	return false
}
