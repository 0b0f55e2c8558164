package main

import (
	"strings"

	manager "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// target brings the target of a request into the form that routes are matched with and that is sent on. Ok
// is false for one that Envoy answers with 400: one with a fragment, or one that is no path.
func target(hcm *manager.HttpConnectionManager, sent string) (path, query string, ok bool) {
	if scheme, rest, absolute := strings.Cut(sent, "://"); absolute && !strings.Contains(scheme, "/") {
		_, tail, found := strings.Cut(rest, "/")
		if sent = "/"; found {
			sent += tail
		}
	}
	path, query, asked := strings.Cut(sent, "?")
	if asked {
		query = "?" + query
	}
	if strings.Contains(sent, "#") || !strings.HasPrefix(path, "/") {
		return "", "", false
	}
	if hcm.GetNormalizePath().GetValue() {
		if path, ok = normalize(path); !ok {
			return "", "", false
		}
	}
	if hcm.GetMergeSlashes() {
		for strings.Contains(path, "//") {
			path = strings.ReplaceAll(path, "//", "/")
		}
	}
	switch hcm.GetPathWithEscapedSlashesAction() {
	case manager.HttpConnectionManager_KEEP_UNCHANGED, manager.HttpConnectionManager_IMPLEMENTATION_SPECIFIC_DEFAULT:
		return path, query, true
	default:
		lower := strings.ToLower(path)
		return path, query, !strings.Contains(lower, "%2f") && !strings.Contains(lower, "%5c")
	}
}

// normalize follows RFC 3986 as Envoy does: unreserved characters are decoded, a backslash is a slash, and
// dot segments are resolved. A path with a NUL is not ok.
func normalize(path string) (normal string, ok bool) {
	path = decodeUnreserved(strings.ReplaceAll(path, `\`, "/"))
	if strings.Contains(path, "%00") {
		return "", false
	}
	var kept []string
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch segment {
		case ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, segment)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/"), true
}

func decodeUnreserved(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) {
			if ch, ok := hexByte(path[i+1], path[i+2]); ok && unreserved(ch) {
				b.WriteByte(ch)
				i += 2
				continue
			}
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

func hexByte(high, low byte) (byte, bool) {
	const digits = "0123456789abcdef"
	h, l := strings.IndexByte(digits, high|0x20), strings.IndexByte(digits, low|0x20)
	return byte(h<<4 | l), h >= 0 && l >= 0
}

func unreserved(ch byte) bool {
	return ch >= 'a' && ch <= 'z' || ch >= 'A' && ch <= 'Z' || ch >= '0' && ch <= '9' || strings.IndexByte("-._~", ch) >= 0
}
