package config

import (
	"regexp"
	"strings"
)

// redacted stands for a secret wherever settings are shown.
const redacted = "[redacted]"

// Secret is text that must never be shown. Printing, logging and encoding it give "[redacted]";
// Reveal gives the text.
type Secret string

// UnmarshalText takes the text without the spaces and line breaks around it: a secret that is read
// from a file often ends with a line break, which nobody means to be part of it.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(strings.TrimSpace(string(text)))
	return nil
}

// Reveal returns the text itself.
func (s Secret) Reveal() string { return string(s) }

// String hides the text, and says nothing when there is none.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the text from JSON and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// URL is an address, or several separated by commas, that may carry a password. Printing, logging
// and encoding hide it; Reveal gives the address as configured.
type URL string

// Reveal returns the address with its password.
func (u URL) Reveal() string { return string(u) }

// String returns the address without its password.
func (u URL) String() string { return redactURLs(string(u)) }

// GoString hides the password from %#v.
func (u URL) GoString() string { return u.String() }

// MarshalText hides the password from JSON and slog.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

var (
	scheme      = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://`)
	secretQuery = regexp.MustCompile(`(?i)([?&][^=&]*(?:password|passwd|secret|token|key)[^=&]*=)[^&]*`)
)

// redactURLs hides what stands between each scheme and the last @ before the next scheme. It works
// on text and not on parsed URLs: an address too broken to parse must not leak either.
func redactURLs(raw string) string {
	starts := scheme.FindAllStringIndex(raw, -1)
	if len(starts) == 0 {
		return redactUserinfo(raw)
	}
	var out strings.Builder
	out.WriteString(redactUserinfo(raw[:starts[0][0]]))
	for i, at := range starts {
		end := len(raw)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		out.WriteString(raw[at[0]:at[1]])
		out.WriteString(redactUserinfo(raw[at[1]:end]))
	}
	return secretQuery.ReplaceAllString(out.String(), "${1}"+redacted)
}

// redactUserinfo keeps the user's name when a password follows it. Userinfo without a password is
// hidden whole, since NATS takes a token there.
func redactUserinfo(rest string) string {
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return rest
	}
	user, _, hasPassword := strings.Cut(rest[:at], ":")
	if !hasPassword || strings.ContainsAny(user, "/?#") {
		return redacted + rest[at:]
	}
	return user + ":" + redacted + rest[at:]
}
