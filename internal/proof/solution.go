package proof

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is read.
const (
	// MaxPayloadBytes bounds a solution as it is sent: base64 of JSON. Ours have about 400.
	MaxPayloadBytes = 1024
	maxSaltBytes    = 128
)

// Why a solution is refused.
var (
	// ErrInvalid: it is no solution, or of a challenge that was not made here, for this sale and this requester.
	ErrInvalid = errors.New("proof: not a solution of a challenge for this visitor")
	// ErrForged is an ErrInvalid too, one that no honest program sends: the challenge was made here for this visitor,
	// and what came back does not solve it.
	ErrForged = fmt.Errorf("%w: the challenge is ours, and not solved", ErrInvalid)
	// ErrExpired: it is right, and came too late, or the sale was restored since.
	ErrExpired = errors.New("proof: the challenge has expired")
)

// ID tells the solution of one challenge from those of all others. A challenge has one solution, and one spelling of it
// as far as the ID goes.
type ID [16]byte

// Solution is one that was verified.
type Solution struct {
	ID         ID
	ExpiresAt  time.Time // in whole seconds
	Difficulty Difficulty
}

// payload is a solution as ALTCHA's clients send it. They add members of their own, which say nothing here.
type payload struct {
	Algorithm string `json:"algorithm"`
	Challenge string `json:"challenge"`
	Number    int64  `json:"number"`
	Salt      string `json:"salt"`
	Signature string `json:"signature"`
}

// Verify checks a solution as it was sent. It asks nobody. The error is ErrInvalid, ErrForged or ErrExpired.
func (k *Keys) Verify(text string, scope Scope, now time.Time) (Solution, error) {
	p, ok := parsePayload(text)
	if !ok {
		return Solution{}, ErrInvalid
	}
	challenge, err := hex.DecodeString(p.Challenge)
	if err != nil || hex.EncodeToString(challenge) != p.Challenge || !k.signed(p.Signature, scope, challenge) {
		return Solution{}, ErrInvalid
	}
	terms, ok := readSalt(p.Salt)
	digest := hashOf(p.Salt, p.Number)
	if !ok || p.Number < 0 || p.Number > terms.maxNumber || subtle.ConstantTimeCompare(digest[:], challenge) != 1 {
		return Solution{}, ErrForged
	}
	if terms.epoch != scope.Epoch || !now.Before(terms.expiresAt) {
		return Solution{}, ErrExpired
	}
	return Solution{ID: ID(digest[:]), ExpiresAt: terms.expiresAt, Difficulty: difficultyOf(terms.maxNumber)}, nil
}

func (k *Keys) signed(signature string, scope Scope, digest []byte) bool {
	given, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	for _, key := range k.keys {
		if hmac.Equal(given, sign(key, scope, digest)) {
			return true
		}
	}
	return false
}

func parsePayload(text string) (p payload, ok bool) {
	if len(text) > MaxPayloadBytes {
		return payload{}, false
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(decoded, &p) != nil {
		return payload{}, false
	}
	return p, p.Algorithm == Algorithm
}

// terms are the parameters in a salt.
type terms struct {
	expiresAt time.Time
	epoch     uint32
	maxNumber int64
}

// readSalt reads the parameters that newSalt writes, in no other order or form.
func readSalt(salt string) (t terms, ok bool) {
	if len(salt) > maxSaltBytes {
		return terms{}, false
	}
	_, parameters, found := strings.Cut(salt, "?")
	if !found {
		return terms{}, false
	}
	var values [3]uint64
	for i, name := range []string{"expires=", "epoch=", "max="} {
		value, rest, ended := strings.Cut(parameters, "&")
		value, named := strings.CutPrefix(value, name)
		number, err := strconv.ParseUint(value, 10, 40)
		if !ended || !named || err != nil {
			return terms{}, false
		}
		values[i], parameters = number, rest
	}
	if parameters != "" || values[1] > 1<<32-1 {
		return terms{}, false
	}
	return terms{expiresAt: time.Unix(int64(values[0]), 0), epoch: uint32(values[1]), maxNumber: int64(values[2])}, true
}
