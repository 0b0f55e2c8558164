package config

import (
	"crypto/ecdh"
	"encoding/base64"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const maxNotified = 10_000_000

// PushHost is a push service that may be called: a host name in small letters, or "*." and the end of one, and a
// port.
type PushHost struct {
	Name string
	Port uint16
}

const httpsPort = 443

// UnmarshalText reads push.example, *.push.example or 127.0.0.1:8443.
func (h *PushHost) UnmarshalText(text []byte) error {
	written := strings.ToLower(strings.TrimSpace(string(text)))
	name, port := written, uint64(httpsPort)
	var err error
	if i := strings.LastIndexByte(written, ':'); i >= 0 && !strings.HasSuffix(written, "]") {
		name = written[:i]
		port, err = strconv.ParseUint(written[i+1:], 10, 16)
	}
	plain := strings.TrimPrefix(name, "*.")
	if err != nil || port == 0 || plain == "" || strings.ContainsAny(plain, "*/@?# ") || strings.HasPrefix(plain, ".") {
		return fmt.Errorf("%q is not a push service, write it like push.example, *.push.example or 127.0.0.1:8443", written)
	}
	*h = PushHost{Name: strings.Trim(name, "[]"), Port: uint16(port)}
	return nil
}

// String writes the entry as it is configured.
func (h PushHost) String() string {
	name := h.Name
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if h.Port == httpsPort {
		return name
	}
	return name + ":" + strconv.Itoa(int(h.Port))
}

// MarshalText writes what String does.
func (h PushHost) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// Matches reports whether a host, in small letters, and a port are those of the entry.
func (h PushHost) Matches(host string, port uint16) bool {
	if port != h.Port {
		return false
	}
	if end, below := strings.CutPrefix(h.Name, "*"); below {
		return strings.HasSuffix(host, end) && len(host) > len(end)
	}
	return host == h.Name
}

// MayBePrivate reports whether the entry names a machine by its address, or this one.
func (h PushHost) MayBePrivate() bool {
	_, err := netip.ParseAddr(h.Name)
	return err == nil || h.Name == "localhost"
}

func (c *Config) checkNotifications() error {
	if c.PushContact != "" && !validContact(c.PushContact) {
		return wrong("PENSTOCK_PUSH_CONTACT", "%q is neither mailto: with an address nor an https address, write it like mailto:ops@shop.example", c.PushContact)
	}
	if c.PushKey != "" {
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(c.PushKey.Reveal(), "="))
		if err == nil {
			_, err = ecdh.P256().NewPrivateKey(raw)
		}
		if err != nil {
			return wrong("PENSTOCK_PUSH_KEY", "is not a private key of the curve P-256 as 32 bytes in base64url")
		}
	}
	if c.MaxNotified < 1 || c.MaxNotified > maxNotified {
		return wrong("PENSTOCK_MAX_NOTIFIED", "is %d, use 1 to %d", c.MaxNotified, maxNotified)
	}
	return nil
}

func validContact(contact string) bool {
	if address, isMail := strings.CutPrefix(contact, "mailto:"); isMail {
		parsed, err := mail.ParseAddress(address)
		return err == nil && parsed.Address == address
	}
	u, err := url.Parse(contact)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}
