package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"slices"
	"sync"

	"github.com/penstock/penstock/internal/problem"
)

// Number is the entry number of a ticket. Numbers start at 1 and are never given twice.
type Number uint64

// String writes the number in decimal, as a pass names it.
func (n Number) String() string { return n.decimal() }

// Ticket is a visitor's claim to a place in the line of one sale.
type Ticket struct {
	Sale   string
	Number Number
	// Epoch is the sale's epoch when the ticket was made. A ticket outlives its epoch.
	Epoch uint32
	// IssuedMillis is Redis TIME in Unix milliseconds.
	IssuedMillis int64
}

// A ticket on the wire is base64url of 36 bytes, a multiple of 3, so that there is one spelling:
//
//	version (1) | key id (1) | epoch (4) | issued, ms (6) | number (8) | HMAC-SHA256, cut to 16
//
// Integers are big-endian. The MAC covers a label, the sale's id and the 20 bytes before it, so
// that a ticket of another sale is no ticket here.
const (
	ticketVersion  = 1
	ticketBody     = 20
	ticketMAC      = 16
	ticketBytes    = ticketBody + ticketMAC
	ticketLength   = ticketBytes / 3 * 4
	ticketLabel    = "penstock/ticket/v1"
	maxSaleLength  = 64
	maxIssued      = 1<<48 - 1
	maxNumber      = 1<<27 - 1 // bounds the bitmap of used numbers to 16 MiB
	maxTicketKeys  = 8
	ticketKeyLabel = "penstock/ticket/key/v1"
)

var ticketEncoding = base64.RawURLEncoding.Strict()

// TicketKeys signs tickets with the current key and believes those of the next and previous ones too.
// It is safe for concurrent use.
type TicketKeys struct {
	keys []*ticketKey // the current one first, then the next ones, then the previous ones
}

type ticketKey struct {
	id   byte
	pool sync.Pool // of *macState
}

// macState is what one signature needs, reused so that a poll allocates nothing.
type macState struct {
	mac  hash.Hash
	wire [ticketBytes]byte
	text [ticketLength]byte
	head [len(ticketLabel) + 1 + maxSaleLength]byte
	sum  [sha256.Size]byte
}

// NewTicketKeys derives the signing key from the current secret. Tickets signed with a previous secret are
// still believed; those signed with a next one are believed already, so that the nodes can go over to it one
// after the other. Of both together at most seven are taken, the next ones first.
func NewTicketKeys(current []byte, previous, next [][]byte) *TicketKeys {
	k := &TicketKeys{keys: []*ticketKey{newTicketKey(current)}}
	for _, secret := range slices.Concat(next, previous) {
		if len(k.keys) < maxTicketKeys {
			k.keys = append(k.keys, newTicketKey(secret))
		}
	}
	return k
}

func newTicketKey(secret []byte) *ticketKey {
	derived := hmac.New(sha256.New, secret)
	derived.Write([]byte(ticketKeyLabel))
	key := derived.Sum(nil)
	// The id is a hint that says which key to try first, made from the key, so that every node
	// finds the same one whatever the order of its configuration.
	id := sha256.Sum256(append([]byte("id:"), key...))
	k := &ticketKey{id: id[0]}
	k.pool.New = func() any { return &macState{mac: hmac.New(sha256.New, key)} }
	return k
}

// Sign returns the ticket as the visitor carries it. The same ticket gives the same text.
func (k *TicketKeys) Sign(t Ticket) string {
	key := k.keys[0]
	st := key.pool.Get().(*macState)
	defer key.pool.Put(st)
	b := &st.wire
	b[0], b[1] = ticketVersion, key.id
	binary.BigEndian.PutUint32(b[2:], t.Epoch)
	putUint48(b[6:12], uint64(min(max(t.IssuedMillis, 0), maxIssued)))
	binary.BigEndian.PutUint64(b[12:], uint64(t.Number))
	copy(b[ticketBody:], st.sign(t.Sale)[:ticketMAC])
	ticketEncoding.Encode(st.text[:], b[:])
	return string(st.text[:])
}

// Parse returns the ticket that the token stands for. The error is ticket_invalid for everything
// that these keys did not sign for this sale. The ticket's Sale is the argument itself.
func (k *TicketKeys) Parse(token, sale string) (Ticket, error) {
	if len(token) != ticketLength || len(sale) > maxSaleLength {
		return Ticket{}, problem.TicketInvalid
	}
	for _, key := range k.keys {
		if t, ok := key.parse(token, sale); ok {
			return t, nil
		}
	}
	return Ticket{}, problem.TicketInvalid
}

func (key *ticketKey) parse(token, sale string) (Ticket, bool) {
	st := key.pool.Get().(*macState)
	defer key.pool.Put(st)
	copy(st.text[:], token)
	if n, err := ticketEncoding.Decode(st.wire[:], st.text[:]); err != nil || n != ticketBytes {
		return Ticket{}, false
	}
	b := &st.wire
	if b[0] != ticketVersion || b[1] != key.id {
		return Ticket{}, false
	}
	if subtle.ConstantTimeCompare(st.sign(sale)[:ticketMAC], b[ticketBody:]) != 1 {
		return Ticket{}, false
	}
	t := Ticket{
		Sale:         sale,
		Number:       Number(binary.BigEndian.Uint64(b[12:])),
		Epoch:        binary.BigEndian.Uint32(b[2:]),
		IssuedMillis: int64(uint48(b[6:12])),
	}
	return t, t.Number >= 1 && t.Number <= maxNumber
}

// sign returns the MAC of the body in wire for the sale.
func (st *macState) sign(sale string) []byte {
	head := append(st.head[:0], ticketLabel...)
	head = append(head, byte(len(sale)))
	head = append(head, sale...)
	st.mac.Reset()
	st.mac.Write(head)
	st.mac.Write(st.wire[:ticketBody])
	return st.mac.Sum(st.sum[:0])
}

func putUint48(b []byte, v uint64) {
	binary.BigEndian.PutUint16(b, uint16(v>>32))
	binary.BigEndian.PutUint32(b[2:], uint32(v))
}

func uint48(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}
