package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"strconv"
)

// The draw, for whoever wants to check it:
//
// When the room is made, 32 random bytes are drawn, the seed, and the lower-case hex SHA-256 of
// them, the commitment, is published. At the start the number of entrants so far, count, is fixed
// and published. Then the completed seed is worked out and shown. In a sale without a beacon and shares it is
// the seed. Else it is HMAC-SHA256(key: seed, message: these lines, with a line feed between two of them):
//
//	penstock/draw/v2
//	sale ID
//	count COUNT
//	lanes COUNTS                   in a sale with priority lanes: of each lane, that of everybody first
//	beacon CHAIN-HASH ROUND SIGNATURE
//	share PARTY SHARE              of each party
//
// A part that did not come is "missing". The ticket with entry number n (1 ≤ n ≤ count) has the place
//
//	place(n) = 1 + permute(n-1)
//
// permute is a balanced Feistel network over the numbers of 2h bits, where h is the smallest
// integer ≥ 3 with 4^h ≥ count. A value that falls outside 0 … count-1 is fed in again until one
// falls inside ("cycle walking"; Black and Rogaway, "Ciphers with Arbitrary Finite Domains", 2002),
// which makes it a permutation of 0 … count-1. One pass is, for round = 0 … 7,
//
//	left, right = right, left XOR (F(round, right) mod 2^h)
//	F(round, x) = SipHash-2-4 of the 8 bytes LE64(round·2^32 + x)
//
// on left = the upper h bits and right = the lower h bits. The 16-byte key of SipHash is the first
// half of HMAC-SHA256(key: completed seed, message: "penstock/draw/v1"). With one entrant the place is 1.
//
// In a sale with priority lanes each lane has a draw of its own, among the count of those who have a number in it. In
// the first priority lane the message is then "penstock/draw/v1 lane 1", and so on; in that of everybody it stays.
const (
	drawLabel       = "penstock/draw/v1"
	drawRounds      = 8
	drawMinHalfBits = 3
	seedBytes       = 32
)

// Draw is the permutation of the tickets of one lane that came before the start.
type Draw struct {
	lane     Lane
	count    uint64
	half     uint
	mask     uint64
	key0     uint64
	key1     uint64
	seedText string
}

// NewDraw returns the draw among count tickets of a lane for a completed seed.
func NewDraw(seed []byte, lane Lane, count uint64) *Draw {
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte(drawLabel))
	if lane > 0 {
		mac.Write([]byte(" lane " + strconv.Itoa(int(lane))))
	}
	key := mac.Sum(nil)
	half := uint(drawMinHalfBits)
	if count > 1 {
		half = max(half, uint(bits.Len64(count-1)+1)/2)
	}
	return &Draw{
		lane: lane, count: count, half: half, mask: 1<<half - 1,
		key0:     binary.LittleEndian.Uint64(key),
		key1:     binary.LittleEndian.Uint64(key[8:]),
		seedText: hex.EncodeToString(seed),
	}
}

// drawFromText is NewDraw of a seed in hex, as Redis holds it; nil when it is none.
func drawFromText(seedText string, lane Lane, count uint64) *Draw {
	seed, err := hex.DecodeString(seedText)
	if err != nil || len(seed) != seedBytes {
		return nil
	}
	return NewDraw(seed, lane, count)
}

// Commitment is what is published of a seed beforehand: lower-case hex SHA-256.
func Commitment(seed []byte) string {
	sum := sha256.Sum256(seed)
	return hex.EncodeToString(sum[:])
}

// Place returns the place of a ticket in its lane. Those who came after the draw queue behind it.
func (d *Draw) Place(n Number) uint64 {
	at := n.inLane()
	if at < 1 || at > d.count {
		return at
	}
	x := at - 1
	for {
		if x = d.forward(x); x < d.count {
			return x + 1
		}
	}
}

// NumberAt returns the ticket that has the place; it undoes Place.
func (d *Draw) NumberAt(place uint64) Number {
	if place < 1 || place > d.count {
		return numberIn(d.lane, place)
	}
	x := place - 1
	for {
		if x = d.backward(x); x < d.count {
			return numberIn(d.lane, x+1)
		}
	}
}

func (d *Draw) forward(x uint64) uint64 {
	left, right := x>>d.half, x&d.mask
	for round := range uint64(drawRounds) {
		left, right = right, left^(sipHash(d.key0, d.key1, round<<32+right)&d.mask)
	}
	return left<<d.half | right
}

func (d *Draw) backward(x uint64) uint64 {
	left, right := x>>d.half, x&d.mask
	for round := uint64(drawRounds); round > 0; round-- {
		left, right = right^(sipHash(d.key0, d.key1, (round-1)<<32+left)&d.mask), left
	}
	return left<<d.half | right
}

// sipHash is SipHash-2-4 (Aumasson and Bernstein, 2012) of one 8-byte message.
func sipHash(k0, k1, message uint64) uint64 {
	v0, v1 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d
	v2, v3 := k0^0x6c7967656e657261, k1^0x7465646279746573

	v3 ^= message
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0 ^= message

	const length = 8 << 56 // of the message, in the top byte of the last word
	v3 ^= length
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0 ^= length

	v2 ^= 0xff
	for range 4 {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

func sipRound(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v3
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 += v3
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v2 += v1
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v2 = bits.RotateLeft64(v2, 32)
	return v0, v1, v2, v3
}
