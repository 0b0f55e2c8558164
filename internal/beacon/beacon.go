// Package beacon reads and checks rounds of a public randomness beacon in the form of drand, unchained, with
// signatures on G1 ("bls-unchained-g1-rfc9380").
//
// A round is believed for its signature alone, so that it does not matter who has answered. [Verify] and the
// arithmetic of rounds are pure.
package beacon

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/cloudflare/circl/sign/bls"
)

// Chain says when the rounds of a beacon are published: the first at the genesis, then one a period.
type Chain struct {
	GenesisMillis int64
	PeriodMillis  int64
}

// At is when a round is published.
func (c Chain) At(round uint64) time.Time {
	return time.UnixMilli(c.GenesisMillis + int64(round-1)*c.PeriodMillis).UTC()
}

// From is the first round that is published at a moment, in Unix ms, or after it.
func (c Chain) From(millis int64) uint64 {
	since := millis - c.GenesisMillis
	if since <= 0 || c.PeriodMillis <= 0 {
		return 1
	}
	return uint64((since+c.PeriodMillis-1)/c.PeriodMillis) + 1
}

const (
	// SignatureBytes is the length of a signature: a compressed point of G1.
	SignatureBytes = 48
	keyBytes       = 96
)

// Verify reports whether a signature, in hex, is that of a round under a public key, in hex. What cannot be read is
// no signature.
func Verify(publicKey string, round uint64, signature string) bool {
	point, err := hex.DecodeString(publicKey)
	if err != nil || len(point) != keyBytes {
		return false
	}
	sig, err := hex.DecodeString(signature)
	if err != nil || len(sig) != SignatureBytes {
		return false
	}
	var key bls.PublicKey[bls.KeyG2SigG1]
	if key.UnmarshalBinary(point) != nil || !key.Validate() {
		return false
	}
	return bls.Verify(&key, message(round), sig)
}

// message is what is signed of a round.
func message(round uint64) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, round))
	return sum[:]
}

// Randomness is what is published as the random value of a round: the SHA-256 of the signature, in hex.
func Randomness(signature string) string {
	sig, err := hex.DecodeString(signature)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(sig)
	return hex.EncodeToString(sum[:])
}
