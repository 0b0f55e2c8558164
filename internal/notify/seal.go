package notify

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
)

// Seals encrypt what is personal with AES-256-GCM. The current key seals; all of them open.
//
// On the wire: version (1) | key id (4) | nonce (12) | ciphertext and tag, in base64url. The id is a hint that
// says which key to take, made from the key.
type Seals struct {
	keys []sealKey // the current one first
}

type sealKey struct {
	id   [4]byte
	aead cipher.AEAD
}

const (
	sealVersion = 1
	sealHead    = 1 + 4
)

var sealEncoding = base64.RawURLEncoding.Strict()

var errSeal = errors.New("notify: a sealed text cannot be opened with any of the secrets")

// NewSeals takes keys of 32 bytes.
func NewSeals(current []byte, others ...[]byte) (*Seals, error) {
	s := &Seals{}
	for _, key := range slices.Concat([][]byte{current}, others) {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("notify: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("notify: %w", err)
		}
		sum := sha256.Sum256(append([]byte("id:"), key...))
		s.keys = append(s.keys, sealKey{id: [4]byte(sum[:4]), aead: aead})
	}
	return s, nil
}

// seal binds the text to a context, without which it cannot be opened.
func (s *Seals) seal(plain, context []byte) string {
	key := &s.keys[0]
	sealed := make([]byte, 0, sealHead+len(plain)+key.aead.Overhead())
	sealed = append(sealed, sealVersion)
	sealed = append(sealed, key.id[:]...)
	return sealEncoding.EncodeToString(key.aead.Seal(sealed, nil, plain, context))
}

func (s *Seals) open(text string, context []byte) ([]byte, error) {
	sealed, err := sealEncoding.DecodeString(text)
	if err != nil || len(sealed) < sealHead || sealed[0] != sealVersion {
		return nil, errSeal
	}
	for i := range s.keys {
		key := &s.keys[i]
		if [4]byte(sealed[1:sealHead]) != key.id {
			continue
		}
		if plain, err := key.aead.Open(nil, nil, sealed[sealHead:], context); err == nil {
			return plain, nil
		}
	}
	return nil, errSeal
}
