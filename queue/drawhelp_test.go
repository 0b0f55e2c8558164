package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"iter"
	"slices"
)

func hmacOf(key []byte, message string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	return mac.Sum(nil)
}

func sequence(records [][]byte) iter.Seq[[]byte] { return slices.Values(records) }
