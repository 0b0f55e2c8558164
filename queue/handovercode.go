package queue

import (
	"crypto/subtle"
	"encoding/binary"
	"slices"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// HandoverCode lets a shop on another host have the pass of an admitted visitor, once. The visitor carries
// it there in the address, where it may be copied; so it is good for [CodeLife] only, and once.
type HandoverCode struct {
	Sale   string
	Ticket Number
	// Epoch is the sale's epoch when the code was made. A code does not outlive its epoch: what
	// was taken is not known any more after a loss of Redis.
	Epoch uint32
	// MadeMicros is Redis TIME in Unix microseconds. No two codes of a ticket have the same.
	MadeMicros int64
}

// CodeLife is how long a hand-over code is good.
const CodeLife = time.Minute

// A code on the wire is base64url, without padding, of
//
//	version (1) | key id (1) | epoch (4) | made, µs (8) | number (8) | HMAC-SHA256, cut to 16 | sale
//
// Integers are big-endian. The MAC covers a label, the sale's id and the 22 bytes before the MAC.
const (
	codeVersion    = 1
	codeBody       = 22
	codeHead       = codeBody + ticketMAC
	maxCodeBytes   = codeHead + maxSaleLength
	codeLabel      = "penstock/handover/v1"
	maxCodeEncoded = (maxCodeBytes*8 + 5) / 6
)

// SignCode returns the code as the visitor carries it.
func (k *TicketKeys) SignCode(c HandoverCode) string {
	key := k.keys[0]
	wire := make([]byte, codeBody, maxCodeBytes)
	wire[0], wire[1] = codeVersion, key.id
	binary.BigEndian.PutUint32(wire[2:], c.Epoch)
	binary.BigEndian.PutUint64(wire[6:], uint64(c.MadeMicros))
	binary.BigEndian.PutUint64(wire[14:], uint64(c.Ticket))
	mac := key.signCode(wire, c.Sale)
	return ticketEncoding.EncodeToString(slices.Concat(wire, mac, []byte(c.Sale)))
}

// ParseCode returns what the code stands for. The error is unknown_code for everything that these keys
// did not sign. It asks nobody, so made-up codes cost next to nothing.
func (k *TicketKeys) ParseCode(token string) (HandoverCode, error) {
	wire, ok := decodeCode(token)
	if !ok {
		return HandoverCode{}, problem.UnknownCode
	}
	body, mac, saleID := wire[:codeBody], wire[codeBody:codeHead], string(wire[codeHead:])
	for _, key := range k.keys {
		if key.id == body[1] && subtle.ConstantTimeCompare(key.signCode(body, saleID), mac) == 1 {
			return codeOf(body, saleID)
		}
	}
	return HandoverCode{}, problem.UnknownCode
}

func decodeCode(token string) (wire []byte, ok bool) {
	if len(token) > maxCodeEncoded {
		return nil, false
	}
	// Where the decoder passes over line breaks, encoding again gives another text.
	wire, err := ticketEncoding.DecodeString(token)
	if err != nil || len(wire) <= codeHead || wire[0] != codeVersion || ticketEncoding.EncodeToString(wire) != token {
		return nil, false
	}
	return wire, true
}

func codeOf(body []byte, saleID string) (HandoverCode, error) {
	c := HandoverCode{
		Sale:       saleID,
		Ticket:     Number(binary.BigEndian.Uint64(body[14:])),
		Epoch:      binary.BigEndian.Uint32(body[2:]),
		MadeMicros: int64(binary.BigEndian.Uint64(body[6:])),
	}
	if !c.Ticket.valid() {
		return HandoverCode{}, problem.UnknownCode
	}
	return c, nil
}

// signCode returns the MAC of a code's body for the sale.
func (key *ticketKey) signCode(body []byte, saleID string) []byte {
	st := key.pool.Get().(*macState)
	defer key.pool.Put(st)
	st.mac.Reset()
	st.mac.Write([]byte(codeLabel))
	st.mac.Write([]byte{byte(len(saleID))})
	st.mac.Write([]byte(saleID))
	st.mac.Write(body)
	return st.mac.Sum(nil)[:ticketMAC]
}
