package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"strings"
)

// The length of an invite without its hyphens and spaces.
const (
	MinCodeLength = 8
	MaxCodeLength = 64
)

// codeHashBytes is the length of what is stored of an invite.
const codeHashBytes = 16

var errCode = errors.New("an invite has 8 to 64 letters and digits; hyphens and spaces do not count")

// PlainCode brings the ways to type an invite into one: letters are capitals, hyphens and spaces do not count.
func PlainCode(typed string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
}

// CheckCode returns the plain form of an invite, or what is wrong with it.
func CheckCode(typed string) (plain string, err error) {
	plain = PlainCode(typed)
	if len(plain) < MinCodeLength || len(plain) > MaxCodeLength {
		return "", errCode
	}
	for _, c := range []byte(plain) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return "", errCode
		}
	}
	return plain, nil
}

// codeAlphabet has neither I, L, O nor U, which are misread.
const codeAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewCode makes an invite of 80 random bits, in four groups.
func NewCode() string {
	random := make([]byte, 10)
	_, _ = rand.Read(random) // it never fails
	text := base32.NewEncoding(codeAlphabet).WithPadding(base32.NoPadding).EncodeToString(random)
	return text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
}

// Codes make of an invite what is stored of it. Without the secret nobody can tell from that which codes there are,
// even where the shop's own codes are short.
type Codes struct{ secrets [][]byte }

// NewCodes stores invites by the current secret, and finds those that were stored by the others.
func NewCodes(current []byte, others ...[]byte) *Codes {
	return &Codes{secrets: append([][]byte{current}, others...)}
}

// Hashes are what may be stored of an invite of a sale; the first one is what is stored now.
func (c *Codes) Hashes(saleID, plain string) []string {
	hashes := make([]string, len(c.secrets))
	for i, secret := range c.secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(saleID + "\x00" + plain))
		hashes[i] = base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:codeHashBytes])
	}
	return hashes
}
