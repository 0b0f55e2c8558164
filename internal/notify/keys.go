package notify

import (
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// PushKeys are the key pairs (VAPID, RFC 8292) by which push services recognise this installation. A subscription is
// made for one public key and believes no other. So the keys of former secrets stay in use for the subscriptions that
// were made for them.
type PushKeys struct {
	pairs []pushKey // the current one first
}

type pushKey struct{ private, public string } // base64url

// NewPushKeys derives the pairs from secrets of their own. Given, if it is not empty, is the current private key
// instead.
func NewPushKeys(given string, current []byte, others ...[]byte) (*PushKeys, error) {
	k := &PushKeys{}
	if given != "" {
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(given, "="))
		if err != nil {
			return nil, fmt.Errorf("notify: the push key: %w", err)
		}
		private, err := ecdh.P256().NewPrivateKey(raw)
		if err != nil {
			return nil, fmt.Errorf("notify: the push key: %w", err)
		}
		k.pairs = append(k.pairs, pairOf(private))
	}
	for _, secret := range slices.Concat([][]byte{current}, others) {
		k.pairs = append(k.pairs, pairOf(derivePrivate(secret)))
	}
	return k, nil
}

// derivePrivate takes the first derived number that is a private key of the curve. All but one of 2^32 numbers are.
func derivePrivate(secret []byte) *ecdh.PrivateKey {
	for i := byte(0); ; i++ {
		derived := hmac.New(sha256.New, secret)
		derived.Write([]byte{i})
		if private, err := ecdh.P256().NewPrivateKey(derived.Sum(nil)); err == nil {
			return private
		}
	}
}

func pairOf(private *ecdh.PrivateKey) pushKey {
	return pushKey{
		private: base64.RawURLEncoding.EncodeToString(private.Bytes()),
		public:  base64.RawURLEncoding.EncodeToString(private.PublicKey().Bytes()),
	}
}

// Public is the key that new subscriptions are made for, uncompressed and in base64url.
func (k *PushKeys) Public() string { return k.pairs[0].public }

func (k *PushKeys) find(public string) (pushKey, bool) {
	for _, pair := range k.pairs {
		if pair.public == public {
			return pair, true
		}
	}
	return pushKey{}, false
}

// WebhookKeys sign the calls of webhooks, with one key for each sale.
type WebhookKeys struct {
	roots [][]byte // the current one first
}

// NewWebhookKeys derives the keys of the sales from secrets of their own. A call is signed with all of them, so that
// a shop that knows one verifies it, while the secrets are changed.
func NewWebhookKeys(current []byte, others ...[]byte) *WebhookKeys {
	return &WebhookKeys{roots: slices.Concat([][]byte{current}, others)}
}

// Secret is the current key of a sale as Standard Webhooks writes it.
func (k *WebhookKeys) Secret(saleID string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(k.of(saleID)[0])
}

func (k *WebhookKeys) of(saleID string) [][]byte {
	keys := make([][]byte, len(k.roots))
	for i, root := range k.roots {
		derived := hmac.New(sha256.New, root)
		derived.Write([]byte(saleID))
		keys[i] = derived.Sum(nil)
	}
	return keys
}
