package queue

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"strconv"
	"strings"
)

// placeKeyBytes is the length of a key under which a place is kept.
const placeKeyBytes = 12

// PlaceKey stands for a person, or for an invite, that has one place in the line of one sale. It says nothing of
// whom it stands for.
type PlaceKey [placeKeyBytes]byte

// PlaceKeys makes place keys. It is safe for concurrent use.
type PlaceKeys struct{ secrets [][]byte }

// NewPlaceKeys makes keys with the current secret. A place that is kept under the key of another secret, a former
// or the next one, is found too.
func NewPlaceKeys(current []byte, others ...[]byte) *PlaceKeys {
	return &PlaceKeys{secrets: append([][]byte{current}, others...)}
}

// Of returns the keys of a name of one kind in a sale: the one that is written first, then the others.
func (k *PlaceKeys) Of(kind, saleID, name string) []PlaceKey {
	keys := make([]PlaceKey, len(k.secrets))
	for i, secret := range k.secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(kind + "\x00" + saleID + "\x00" + name))
		copy(keys[i][:], mac.Sum(nil))
	}
	return keys
}

func joinedKeys(keys []PlaceKey) string {
	var b strings.Builder
	for _, key := range keys {
		b.Write(key[:])
	}
	return b.String()
}

// keptPlace is a ticket as Redis and the journal keep it under a key.
type keptPlace struct {
	number       Number
	epoch        uint32
	issuedMillis int64
	more         string // flags, a zero and interest, without the zeros at the end
}

func keptOf(t Ticket) keptPlace {
	return keptPlace{number: t.Number, epoch: t.Epoch, issuedMillis: t.IssuedMillis, more: moreOf(t)}
}

func moreOf(t Ticket) string {
	var b [ticketBody2 - ticketBody1]byte
	b[0] = byte(t.Flags)
	t.Interest.put(b[2 : 2+3*MaxInterest])
	return string(bytes.TrimRight(b[:], "\x00"))
}

func (k keptPlace) ticket(saleID string) Ticket {
	var b [ticketBody2 - ticketBody1]byte
	copy(b[:], k.more)
	return Ticket{
		Sale: saleID, Number: k.number, Epoch: k.epoch, IssuedMillis: k.issuedMillis,
		Flags: TicketFlags(b[0]), Interest: readInterest(b[2 : 2+3*MaxInterest]),
	}
}

// text is the value in Redis.
func (k keptPlace) text() string {
	return k.number.decimal() + ":" + strconv.FormatUint(uint64(k.epoch), 10) + ":" + decimal(k.issuedMillis) + ":" + k.more
}

// readKept undoes text. Journaled is false for a value that the journal may not have yet.
func readKept(value string) (k keptPlace, journaled, ok bool) {
	value, pending := strings.CutPrefix(value, "?")
	parts := strings.SplitN(value, ":", 4)
	if len(parts) != 4 {
		return keptPlace{}, false, false
	}
	p := parser{}
	number, epoch, issued := p.unsigned(parts[0]), p.unsigned(parts[1]), p.number(parts[2])
	k = keptPlace{number: Number(number), epoch: uint32(epoch), issuedMillis: issued, more: parts[3]}
	return k, !pending, p.err == nil && k.number.valid() && len(k.more) <= ticketBody2-ticketBody1
}
