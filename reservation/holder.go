package reservation

import "crypto/hmac"

// HolderKeys make the tokens that prove who made a reservation, where there is no ticket and no pass that does.
// A token follows from the reservation's id: nothing is stored. It is safe for concurrent use.
type HolderKeys struct {
	keys []*keyedHash // the first makes tokens, all are believed
}

const (
	holderLabel   = "penstock/holder/v1"
	holderBytes   = 16
	holderLength  = 22 // base64url of holderBytes without padding
	maxHolderKeys = 8
)

// NewHolderKeys makes tokens with the current secret. Those of the others, former secrets and the next, are
// believed too; at most seven of them are taken.
func NewHolderKeys(current []byte, others ...[]byte) *HolderKeys {
	k := &HolderKeys{keys: []*keyedHash{newKeyedHash(current)}}
	for _, secret := range others[:min(len(others), maxHolderKeys-1)] {
		k.keys = append(k.keys, newKeyedHash(secret))
	}
	return k
}

// ValidHolderToken reports whether a text has the form of a holder's token.
func ValidHolderToken(text []byte) bool {
	if len(text) != holderLength {
		return false
	}
	_, err := encoding.Strict().Decode(make([]byte, holderBytes), text)
	return err == nil
}

// Token is the token of the holder of a reservation: 22 characters of base64url.
func (k *HolderKeys) Token(id string) string { return holderToken(k.keys[0], id) }

// Holds reports whether one of the tokens is that of the holder of a reservation. It compares in constant time.
func (k *HolderKeys) Holds(id string, tokens ...[]byte) bool {
	if len(tokens) == 0 {
		return false
	}
	held := false
	for _, key := range k.keys {
		token := []byte(holderToken(key, id))
		for _, one := range tokens {
			held = hmac.Equal(token, one) || held
		}
	}
	return held
}

func holderToken(key *keyedHash, id string) string {
	sum := key.sum([]byte(holderLabel + " " + id))
	return encoding.EncodeToString(sum[:holderBytes])
}
