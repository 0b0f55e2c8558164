// Package roomlink makes and reads the signed parts of addresses of the waiting-room page: the previews that the
// console gives out, and the links that take a place to another device. Nothing is stored: both end by themselves.
package roomlink

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

const (
	// PreviewTTL is how long a preview can be looked at.
	PreviewTTL = 7 * 24 * time.Hour
	// MoveTTL is how long a link takes a place to another device.
	MoveTTL = 10 * time.Minute
	// MoveQuery names the part of the address of a room that carries such a link.
	MoveQuery = "penstock_move"

	maxKeys      = 8
	macBytes     = 16
	maxText      = 512
	previewLabel = "penstock/room preview/v1"
	moveLabel    = "penstock/room move/v1"
	formLabel    = "penstock/room form/v1"
)

var encoding = base64.RawURLEncoding.Strict()

// Keys make links with the first key, and believe those of all. They are safe for concurrent use.
type Keys struct{ keys []key }

type key struct {
	previews []byte
	forms    []byte
	moves    cipher.AEAD
}

// NewKeys makes links with the current secret, of 32 bytes. Those of the others, former secrets and the next, are believed
// too; at most seven of them are taken.
func NewKeys(current []byte, others ...[]byte) *Keys {
	k := &Keys{keys: []key{newKey(current)}}
	for _, secret := range others[:min(len(others), maxKeys-1)] {
		k.keys = append(k.keys, newKey(secret))
	}
	return k
}

func newKey(secret []byte) key {
	block, err := aes.NewCipher(sum(secret, moveLabel))
	if err != nil {
		panic(err) // a sum of SHA-256 is a key of AES
	}
	sealed, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has blocks of 16 bytes
	}
	return key{previews: sum(secret, previewLabel), forms: sum(secret, formLabel), moves: sealed}
}

func sum(secret []byte, text string) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// Preview names what a preview shows. Its members are of a-z, 0-9, "_" and "-" alone.
type Preview struct {
	State    string // a state of the page
	Language string
	Scheme   string // light, dark, or empty for what the browser prefers
}

// SignPreview writes a preview of a sale's page that ends at a time.
func (k *Keys) SignPreview(sale string, p Preview, ends time.Time) string {
	text := strings.Join([]string{p.State, p.Language, p.Scheme, strconv.FormatInt(ends.Unix(), 10)}, ".")
	return text + "." + k.keys[0].previewMAC(sale, text)
}

func (k key) previewMAC(sale, text string) string {
	return encoding.EncodeToString(sum(k.previews, sale+"\n"+text)[:macBytes])
}

// ReadPreview returns what a preview of a sale shows; false for what these keys did not sign, and for one that has
// ended.
func (k *Keys) ReadPreview(sale, text string, now time.Time) (Preview, bool) {
	at := strings.LastIndexByte(text, '.')
	if at < 0 || len(text) > maxText {
		return Preview{}, false
	}
	body, mac := text[:at], text[at+1:]
	believed := false
	for _, one := range k.keys {
		believed = hmac.Equal([]byte(one.previewMAC(sale, body)), []byte(mac)) || believed
	}
	parts := strings.Split(body, ".")
	if !believed || len(parts) != 4 {
		return Preview{}, false
	}
	ends, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil || now.Unix() >= ends {
		return Preview{}, false
	}
	return Preview{State: parts[0], Language: parts[1], Scheme: parts[2]}, true
}

// SignForm writes what a form of the page of one place has in it, so that no other site can send the form in the name of
// whoever holds the place. It tells nobody the place.
func (k *Keys) SignForm(sale, number string) string { return k.keys[0].formMAC(sale, number) }

// IsForm reports whether a form is one of the page of this place.
func (k *Keys) IsForm(sale, number, text string) bool {
	believed := false
	for _, one := range k.keys {
		believed = hmac.Equal([]byte(one.formMAC(sale, number)), []byte(text)) || believed
	}
	return believed
}

func (k key) formMAC(sale, number string) string {
	return encoding.EncodeToString(sum(k.forms, sale+"\n"+number)[:macBytes])
}

// SealTicket writes a ticket of a sale so that it can be read here alone, until a time. Each time it is another text.
func (k *Keys) SealTicket(sale, ticket string, ends time.Time) string {
	sealed := make([]byte, k.keys[0].moves.NonceSize(), maxText)
	_, _ = rand.Read(sealed) // it never fails
	plain := binary.BigEndian.AppendUint64(nil, uint64(ends.Unix()))
	plain = append(plain, ticket...)
	return encoding.EncodeToString(k.keys[0].moves.Seal(sealed, sealed, plain, []byte(sale)))
}

// OpenTicket returns the ticket of a sealed text; false for what these keys did not seal for the sale, and for what has
// ended.
func (k *Keys) OpenTicket(sale, text string, now time.Time) (ticket string, ok bool) {
	if len(text) > maxText {
		return "", false
	}
	sealed, err := encoding.DecodeString(text)
	if err != nil {
		return "", false
	}
	for _, one := range k.keys {
		size := one.moves.NonceSize()
		if len(sealed) < size {
			return "", false
		}
		plain, err := one.moves.Open(nil, sealed[:size], sealed[size:], []byte(sale))
		if err == nil && len(plain) >= 8 {
			return string(plain[8:]), uint64(now.Unix()) < binary.BigEndian.Uint64(plain)
		}
	}
	return "", false
}
