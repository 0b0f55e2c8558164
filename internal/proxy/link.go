package proxy

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// linkParameter carries the signature of a link that goes past the waiting room.
const linkParameter = "penstock_link"

// SignLink returns a link to a page, with or without host and query, that is let through without a pass until
// it expires. The signature covers the path and the moment, not the query. The error is about the link.
func SignLink(link string, secret []byte, expiresAt time.Time) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", err
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	seconds := strconv.FormatInt(expiresAt.Unix(), 10)
	signed := linkParameter + "=" + seconds + "." + signatureOf(secret, []byte(path), seconds)
	if u.RawQuery != "" {
		signed = "&" + signed
	}
	u.RawQuery += signed
	return u.String(), nil
}

func signatureOf(secret, path []byte, expires string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("penstock link v1\n"))
	mac.Write([]byte(expires))
	mac.Write([]byte("\n"))
	mac.Write(path)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// linkHolds reports whether the query carries a signature for exactly this path, as it was sent, that has not
// expired. With several none counts.
func linkHolds(secret, path, query []byte, now time.Time) bool {
	value, rest := cutLink(query)
	if another, _ := cutLink(rest); value == nil || another != nil {
		return false
	}
	expires, signature, found := strings.Cut(string(value), ".")
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if !found || err != nil || now.Unix() >= seconds || strconv.FormatInt(seconds, 10) != expires {
		return false
	}
	return hmac.Equal([]byte(signature), []byte(signatureOf(secret, path, expires)))
}

// cutLink takes the signature of a link out of a query. Value is nil when there is none.
func cutLink(query []byte) (value, rest []byte) {
	for start := 0; start <= len(query); {
		end := len(query)
		if next := bytes.IndexByte(query[start:], '&'); next >= 0 {
			end = start + next
		}
		name, said, _ := bytes.Cut(query[start:end], []byte("="))
		if string(name) == linkParameter {
			rest = append(append([]byte(nil), query[:start]...), query[min(end+1, len(query)):]...)
			return said[:len(said):len(said)], bytes.TrimSuffix(rest, []byte("&"))
		}
		start = end + 1
	}
	return nil, query
}
