package proxy

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestASignedLinkHoldsForItsPathUntilItExpires(t *testing.T) {
	secret, now := []byte("0123456789abcdef"), time.Now()
	rapid.Check(t, func(t *rapid.T) {
		path := "/" + strings.Join(rapid.SliceOf(rapid.StringMatching(`[a-z0-9%20é-]{1,8}`)).Draw(t, "path"), "/")
		query := rapid.SampledFrom([]string{"", "a=1", "a=1&b=%2F", "penstock=1"}).Draw(t, "query")
		link := (&url.URL{Path: path, RawQuery: query}).String()
		signed, err := SignLink(link, secret, now.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		var h head
		if err := h.parseTarget([]byte(signed)); err != nil {
			t.Fatalf("%s: %v", signed, err)
		}
		if !linkHolds(secret, h.path, h.query, now) {
			t.Fatalf("%s does not hold", signed)
		}
		if linkHolds(secret, h.path, h.query, now.Add(2*time.Minute)) || linkHolds([]byte("another secret 1"), h.path, h.query, now) ||
			linkHolds(secret, append([]byte("/x"), h.path...), h.query, now) {
			t.Fatalf("%s holds elsewhere", signed)
		}
		if got := string(withoutLink(&h)); got != link {
			t.Fatalf("the shop gets %s instead of %s", got, link)
		}
	})
}
