package main

import (
	"net/http"
	"strings"
)

// forwardedNames are the headers that an entry point takes away from visitors.
var forwardedNames = []string{
	"X-Forwarded-Proto", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server",
	"X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Prefix", "X-Real-Ip",
}

// wrap does what an entry point does before any router.
func (e entryPoint) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Opaque != "" || strings.Contains(r.URL.RawPath, "#") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for name := range r.Header {
			if e.HTTP.AliasHeadersStrategy == "delete" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
				delete(r.Header, name)
			}
		}
		normalize(r)
		r.URL = r.URL.JoinPath() // resolves ".." and "//"
		r.RequestURI = r.URL.RequestURI()
		if !e.ForwardedHeaders.Insecure {
			for _, name := range forwardedNames {
				r.Header.Del(name)
			}
		}
		setIfMissing(r.Header, "X-Forwarded-Proto", "http")
		setIfMissing(r.Header, "X-Forwarded-Host", r.Host)
		next.ServeHTTP(w, r)
	})
}

func setIfMissing(h http.Header, name, value string) {
	if h.Get(name) == "" {
		h.Set(name, value)
	}
}

// normalize decodes the unreserved characters of RFC 3986 in the path, and writes other escapes in capitals.
func normalize(r *http.Request) {
	raw := r.URL.RawPath
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' || i+2 >= len(raw) {
			b.WriteByte(raw[i])
			continue
		}
		if ch := unhex(raw[i+1])<<4 | unhex(raw[i+2]); unreserved(ch) {
			b.WriteByte(ch)
		} else {
			b.WriteString(strings.ToUpper(raw[i : i+3]))
		}
		i += 2
	}
	r.URL.RawPath = b.String()
}

func unhex(digit byte) byte {
	return byte(max(0, strings.IndexByte("0123456789abcdef", digit|0x20)))
}

func unreserved(ch byte) bool {
	return ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9' || strings.IndexByte("-._~", ch) >= 0
}
