// Package customer says which spellings of a customer's name are one customer.
//
// A shop tells its customers apart by a name: an e-mail address, or a number of its own. Limits per customer
// are worth nothing if ADA@example.com is another customer than ada@example.com. So unless the sale says that
// names are the shop's own keys (customer: exact), a name is brought into one form by this rule:
//
//  1. Unicode normalization form NFKC: full-width, ligature and similar variants become the plain characters.
//  2. Full case folding: upper and lower case are the same.
//  3. Characters that are not seen are removed: format characters (category Cf), variation selectors and the
//     other characters that Unicode calls ignorable by default.
//  4. White space at the beginning and the end is removed, and each run of it becomes one space.
//  5. With plus_tags: drop, in a name with exactly one "@", the part from the first "+" to the "@" is removed.
//
// The steps are repeated until nothing changes any more. Two names are one customer when their forms have the
// same bytes.
package customer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/penstock/penstock/internal/sale"
)

// MaxBytes bounds a name, as it is sent and in its one form.
const MaxBytes = 128

// maxRounds bounds the repetitions of the rule. No name is known that needs more than three.
const maxRounds = 8

// What can be wrong with a name.
var (
	ErrLength    = fmt.Errorf("is required, 1 to %d bytes", MaxBytes)
	ErrText      = errors.New("must be UTF-8 without control characters")
	ErrInvisible = errors.New("has no character that can be seen")
	ErrGrows     = fmt.Errorf("has more than %d bytes once it is normalized", MaxBytes)
	errUnstable  = errors.New("cannot be normalized")
)

// Name returns the one form of a name by the terms of a sale. The error says what is wrong with the name, and
// nothing of the name itself.
func Name(raw string, terms sale.Terms) (string, error) {
	if raw == "" || len(raw) > MaxBytes {
		return "", ErrLength
	}
	if terms.Customer == sale.Exact {
		if !utf8.ValidString(raw) {
			return "", ErrText
		}
		return raw, nil
	}
	if plain(raw, terms.PlusTags) {
		return raw, nil
	}
	if !utf8.ValidString(raw) || strings.ContainsFunc(raw, unicode.IsControl) {
		return "", ErrText
	}
	return normalize(raw, terms.PlusTags)
}

// plain reports that a name is in its one form already: most are, and this stands before the answer
// "sold out", which is given more often than any other.
func plain(name string, tags sale.PlusTags) bool {
	for i := range len(name) {
		switch b := name[i]; {
		case b <= ' ' || b >= 0x7f || 'A' <= b && b <= 'Z':
			return false
		case b == '+' && tags == sale.DropTags:
			return false
		}
	}
	return true
}

// normalize applies the rule until nothing changes any more.
func normalize(name string, tags sale.PlusTags) (string, error) {
	for range maxRounds {
		next := once(name, tags)
		if next == "" {
			return "", ErrInvisible
		}
		if next == name {
			if len(name) > MaxBytes {
				return "", ErrGrows
			}
			return name, nil
		}
		name = next
	}
	return "", errUnstable
}

func once(name string, tags sale.PlusTags) string {
	name = norm.NFKC.String(name)
	name = cases.Fold().String(name)
	name = strings.Map(tidy, name)
	name = strings.Join(strings.Fields(name), " ")
	name = norm.NFKC.String(name)
	if tags == sale.DropTags {
		name = dropTag(name)
	}
	return name
}

// tidy removes what is not seen. It also brings Cherokee letters to their capitals, which is how Unicode folds
// them: the Fold of package cases turns small letters into capitals and capitals into small ones.
func tidy(r rune) rune {
	switch {
	case r >= 0xab70 && r <= 0xabbf:
		return r - 0xab70 + 0x13a0
	case r >= 0x13f8 && r <= 0x13fd:
		return r - 8
	case unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
		return -1
	default:
		return r
	}
}

// dropTag takes the tag out of an address. Nothing is left of a name that is all tag, so that keeps it.
func dropTag(name string) string {
	local, domain, found := strings.Cut(name, "@")
	if !found || strings.Contains(domain, "@") {
		return name
	}
	person, _, tagged := strings.Cut(local, "+")
	if person = strings.TrimSpace(person); !tagged || person == "" {
		return name
	}
	return person + "@" + domain
}
