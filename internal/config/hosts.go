package config

import (
	"fmt"
	"net/url"
	"strings"
)

// HostName is a host as the Host header of a request names it, in small letters: a name or an address, with
// a port when it is not the scheme's own.
type HostName string

// UnmarshalText reads shop.example or shop.example:8443.
func (h *HostName) UnmarshalText(text []byte) error {
	written := strings.ToLower(strings.TrimSpace(string(text)))
	u, err := url.Parse("//" + written)
	if err != nil || u.Host != written || u.Hostname() == "" || u.User != nil {
		return fmt.Errorf("%q is not a host, write it like shop.example or shop.example:8443", written)
	}
	*h = HostName(written)
	return nil
}

// Origin is a scheme and a host, as browsers write them in the header Origin.
type Origin string

// UnmarshalText reads https://shop.example or http://localhost:3000.
func (o *Origin) UnmarshalText(text []byte) error {
	written := strings.ToLower(strings.TrimSuffix(strings.TrimSpace(string(text)), "/"))
	u, err := url.Parse(written)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || written != u.Scheme+"://"+u.Host {
		return fmt.Errorf("%q is not an origin, write it like https://www.shop.example", written)
	}
	*o = Origin(written)
	return nil
}

// Texts returns hosts or origins as plain strings.
func Texts[T ~string](list []T) []string {
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = string(one)
	}
	return texts
}
