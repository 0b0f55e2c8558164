// Package auth says who is calling the admin API, the console and the shop's side of the front,
// and what they may do.
//
// There is one kind of credential, the API key. The console turns a key into a signed session
// cookie that lives no longer than the key does.
package auth

import (
	"fmt"
	"slices"
	"strings"
)

// Role is what a key may do. Viewer, Marketer, Operator and Admin include one another in that
// order. Shop stands apart: it reserves and orders on the front and may do nothing else. The zero
// Role may do nothing.
type Role int

// The roles.
const (
	Viewer   Role = iota + 1 // reads
	Marketer                 // plans sales and speaks to the line
	Operator                 // has a hand on the running sale
	Admin                    // keys and deletion
	Shop                     // a shop's backend, on the front only
)

var roleNames = [...]string{Viewer: "viewer", Marketer: "marketer", Operator: "operator", Admin: "admin", Shop: "shop"}

// String returns the name of the role, "none" for the zero Role.
func (r Role) String() string {
	if r < Viewer || r > Shop {
		return "none"
	}
	return roleNames[r]
}

// ParseRole is the inverse of String. It fails on any other text, "none" included.
func ParseRole(name string) (Role, error) {
	for r := Viewer; r <= Shop; r++ {
		if roleNames[r] == name {
			return r, nil
		}
	}
	return 0, fmt.Errorf("unknown role %q: use one of %s", name, strings.Join(roleNames[Viewer:], ", "))
}

// MarshalText writes the name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a name.
func (r *Role) UnmarshalText(text []byte) error {
	parsed, err := ParseRole(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// Identity is whoever holds a key.
type Identity struct {
	KeyID string
	Name  string
	Role  Role
	// Channels of sales that a shop's key may sell from, beside the default ones.
	Channels []string
	// Sales that a shop's key may act on; none means all.
	Sales []string
}

// MayActOn reports whether the identity's key is good for a sale. It is the one rule for keys that are limited
// to some sales; what they may do there, their role says.
func (i Identity) MayActOn(saleID string) bool {
	return len(i.Sales) == 0 || slices.Contains(i.Sales, saleID)
}

// MaySell reports whether the identity may sell from a channel that is not open to everybody.
func (i Identity) MaySell(channel string) bool {
	return i.Role == Shop && slices.Contains(i.Channels, channel)
}

// MaySeeCustomers reports whether the identity may see personal data: whoever deals with single orders, which
// are the operators and the shop itself. Those who look on and those who plan need none.
func (i Identity) MaySeeCustomers() bool { return i.May(Operator) || i.May(Shop) }

// May reports whether the identity has the required role or one that includes it. Shop includes
// no other role and is included in none.
func (i Identity) May(required Role) bool {
	if i.Role == Shop || required == Shop {
		return i.Role == required
	}
	return required >= Viewer && i.Role >= required
}
