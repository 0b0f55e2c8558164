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

// Number is the entry number of a ticket. It says in which lane it was given ([Number.Lane]); in the lane of everybody
// numbers start at 1. None is given twice.
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
	// Flags say what the server noted about the visitor when the ticket was made.
	Flags TicketFlags
	// Interest names the items for which the visitor came. None means any of them.
	Interest Interest
}

// TicketFlags is a set of bits.
type TicketFlags uint8

// FlagKeyed marks a ticket that belongs to a key; see [Room.JoinKeyed].
const FlagKeyed TicketFlags = 1 << 1

// A ticket on the wire is base64url of a multiple of 3 bytes, so that there is one spelling. Version 1 has
// 36 bytes, and is made whenever flags, lane and interest are all zero. Version 2 has 51. The number is that within
// the lane:
//
//	1: version (1) | key id (1) | epoch (4) | issued, ms (6) | number (8) | HMAC-SHA256, cut to 16
//	2: the same 20 bytes | flags (1) | lane (1) | interest (4 x 3) | reserved, 0 (1) | HMAC-SHA256, cut to 16
//
// Integers are big-endian. The MAC covers a label, the sale's id and all bytes before it, so that a ticket
// of another sale, or of another version, is no ticket here. A [Decoy] differs in the label alone.
const (
	ticketVersion1 = 1
	ticketVersion2 = 2
	ticketBody1    = 20
	ticketBody2    = ticketBody1 + 2 + 3*MaxInterest + 1
	ticketMAC      = 16
	ticketBytes1   = ticketBody1 + ticketMAC
	ticketBytes2   = ticketBody2 + ticketMAC
	ticketLength1  = ticketBytes1 / 3 * 4
	ticketLength2  = ticketBytes2 / 3 * 4
	maxSaleLength  = 64
	maxIssued      = 1<<48 - 1
	maxNumber      = 1<<laneBits - 1 // in one lane; bounds its bitmap of used numbers to 16 MiB
	maxTicketKeys  = 8
	ticketKeyLabel = "penstock/ticket/key/v1"
)

var ticketEncoding = base64.RawURLEncoding.Strict()

// label says what is signed. The digit of the version follows.
type label string

const ticketLabel label = "penstock/ticket/v"

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
	wire [ticketBytes2]byte
	text [ticketLength2]byte
	head [len(ticketLabel) + 2 + maxSaleLength]byte
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
func (k *TicketKeys) Sign(t Ticket) string { return k.keys[0].write(ticketLabel, t) }

func (key *ticketKey) write(as label, t Ticket) string {
	st := key.pool.Get().(*macState)
	defer key.pool.Put(st)
	b, body := &st.wire, ticketBody1
	st.put(key, &t)
	if t.needsVersion2() {
		b[0], body = ticketVersion2, ticketBody2
		b[20], b[21] = byte(t.Flags), byte(t.Number.Lane())
		t.Interest.put(b[22 : 22+3*MaxInterest])
		b[ticketBody2-1] = 0
	}
	copy(b[body:], st.sign(as, t.Sale, body)[:ticketMAC])
	text := st.text[:ticketEncoding.EncodedLen(body+ticketMAC)]
	ticketEncoding.Encode(text, b[:body+ticketMAC])
	return string(text)
}

// put writes the body of a ticket of version 1, with which the other begins too.
func (st *macState) put(key *ticketKey, t *Ticket) {
	b := &st.wire
	b[0], b[1] = ticketVersion1, key.id
	binary.BigEndian.PutUint32(b[2:], t.Epoch)
	putUint48(b[6:12], uint64(min(max(t.IssuedMillis, 0), maxIssued)))
	binary.BigEndian.PutUint64(b[12:], t.Number.inLane())
}

func (t *Ticket) needsVersion2() bool {
	return t.Flags != 0 || t.Number.Lane() != 0 || t.Interest.Named()
}

// Parse returns the ticket that the token stands for. The error is ticket_invalid for everything
// that these keys did not sign for this sale, and for a [Decoy]. The ticket's Sale is the argument itself.
func (k *TicketKeys) Parse(token []byte, sale string) (Ticket, error) {
	t, _, err := k.read(ticketLabel, token, sale)
	return t, err
}

// read returns what was signed with this label, and with which key.
func (k *TicketKeys) read(as label, token []byte, sale string) (Ticket, *ticketKey, error) {
	if len(token) != ticketLength1 && len(token) != ticketLength2 || len(sale) > maxSaleLength {
		return Ticket{}, nil, problem.TicketInvalid
	}
	for _, key := range k.keys {
		if t, ok := key.parse(as, token, sale); ok {
			return t, key, nil
		}
	}
	return Ticket{}, nil, problem.TicketInvalid
}

func (key *ticketKey) parse(as label, token []byte, sale string) (Ticket, bool) {
	st := key.pool.Get().(*macState)
	defer key.pool.Put(st)
	version, body := byte(ticketVersion1), ticketBody1
	if len(token) == ticketLength2 {
		version, body = ticketVersion2, ticketBody2
	}
	if n, err := ticketEncoding.Decode(st.wire[:], token); err != nil || n != body+ticketMAC {
		return Ticket{}, false
	}
	b := &st.wire
	if b[0] != version || b[1] != key.id {
		return Ticket{}, false
	}
	if subtle.ConstantTimeCompare(st.sign(as, sale, body)[:ticketMAC], b[body:body+ticketMAC]) != 1 {
		return Ticket{}, false
	}
	t := Ticket{
		Sale:         sale,
		Number:       Number(binary.BigEndian.Uint64(b[12:])),
		Epoch:        binary.BigEndian.Uint32(b[2:]),
		IssuedMillis: int64(uint48(b[6:12])),
	}
	if t.Number < 1 || t.Number > maxNumber {
		return Ticket{}, false
	}
	if version == ticketVersion2 {
		if Lane(b[21]) > MaxLane {
			return Ticket{}, false
		}
		t.Flags, t.Number = TicketFlags(b[20]), numberIn(Lane(b[21]), uint64(t.Number))
		t.Interest = readInterest(b[22 : 22+3*MaxInterest])
		if b[ticketBody2-1] != 0 || !t.needsVersion2() {
			return Ticket{}, false
		}
	}
	return t, true
}

// sign returns the MAC of the first body bytes in wire for the sale.
func (st *macState) sign(as label, sale string, body int) []byte {
	version := byte('0' + ticketVersion1)
	if body == ticketBody2 {
		version = '0' + ticketVersion2
	}
	head := append(st.head[:0], as...)
	head = append(head, version, byte(len(sale)))
	head = append(head, sale...)
	st.mac.Reset()
	st.mac.Write(head)
	st.mac.Write(st.wire[:body])
	return st.mac.Sum(st.sum[:0])
}

func putUint48(b []byte, v uint64) {
	binary.BigEndian.PutUint16(b, uint16(v>>32))
	binary.BigEndian.PutUint32(b[2:], uint32(v))
}

func uint48(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}
