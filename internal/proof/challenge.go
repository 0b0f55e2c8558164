package proof

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"
)

// Algorithm is the one hash that challenges are made with and solutions are believed for.
const Algorithm = "SHA-256"

// Life is how long a challenge is good: some times what a slow phone needs for the hardest one, and not so long that
// many solutions can be put by.
const Life = 2 * time.Minute

// saltBytes is the length of the random part of a salt. With the parameters a salt has more than the 64 bytes of one
// block of SHA-256, so that all of the number is in the second one: each number costs one block.
const saltBytes = 16

// macLabel keeps the signatures of challenges apart from anything else that is signed.
const macLabel = "penstock/proof/v1"

// Challenge is what is asked of a visitor. The members are ALTCHA's.
type Challenge struct {
	Algorithm string `json:"algorithm"` // SHA-256
	// Challenge is SHA-256(Salt + the number in decimal), in lower-case hexadecimal.
	Challenge string `json:"challenge"`
	// MaxNumber is the greatest value that the number may have. The least is 0.
	MaxNumber int64 `json:"maxnumber"`
	// Salt is random and ends with parameters: expires (Unix time in seconds), epoch, max and a final "&". The end
	// keeps a digit of the number from being read as one of the salt.
	Salt string `json:"salt"`
	// Signature is HMAC-SHA256 in hexadecimal. It covers the sale and the requester too.
	Signature string `json:"signature"`
}

// Scope is where a challenge is good.
type Scope struct {
	Sale string // id
	// Requester is who asked, for example an address; the same must bring the solution.
	Requester string
	// Epoch of the sale. Which solutions were used is not known any more after a loss of Redis, and each loss ends
	// an epoch.
	Epoch uint32
}

// Keys make challenges and verify solutions. They are safe for concurrent use.
type Keys struct{ keys [][]byte }

// NewKeys makes challenges with the current key. Solutions of challenges that were made with another key, a former or
// the next one, are believed too.
func NewKeys(current []byte, others ...[]byte) *Keys {
	return &Keys{keys: append([][]byte{current}, others...)}
}

// Challenge makes a challenge of this difficulty; see [Difficulty].
func (k *Keys) Challenge(scope Scope, difficulty Difficulty, now time.Time) Challenge {
	maxNumber := difficulty.MaxNumber()
	salt := newSalt(scope.Epoch, maxNumber, now.Add(Life))
	digest := hashOf(salt, randomUpTo(maxNumber))
	text := hex.EncodeToString(digest[:])
	return Challenge{
		Algorithm: Algorithm, Challenge: text, MaxNumber: maxNumber, Salt: salt,
		Signature: hex.EncodeToString(sign(k.keys[0], scope, digest[:])),
	}
}

func newSalt(epoch uint32, maxNumber int64, expiresAt time.Time) string {
	var random [saltBytes]byte
	_, _ = rand.Read(random[:]) // it never fails
	b := hex.AppendEncode(make([]byte, 0, maxSaltBytes), random[:])
	b = strconv.AppendInt(append(b, "?expires="...), expiresAt.Unix(), 10)
	b = strconv.AppendUint(append(b, "&epoch="...), uint64(epoch), 10)
	b = strconv.AppendInt(append(b, "&max="...), maxNumber, 10)
	return string(append(b, '&'))
}

// randomUpTo returns a number from 0 to most. Most is far below 2^64, so that the remainder favours none.
func randomUpTo(most int64) int64 {
	var random [8]byte
	_, _ = rand.Read(random[:])
	return int64(binary.BigEndian.Uint64(random[:]) % uint64(most+1))
}

func hashOf(salt string, number int64) [sha256.Size]byte {
	b := append(make([]byte, 0, maxSaltBytes+20), salt...)
	return sha256.Sum256(strconv.AppendInt(b, number, 10))
}

// sign covers what the digest does not: the sale and the requester. The digest covers the salt and the number.
func sign(key []byte, scope Scope, digest []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(macLabel))
	for _, part := range []string{scope.Sale, scope.Requester} {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	mac.Write(digest)
	return mac.Sum(nil)
}
