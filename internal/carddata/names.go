package carddata

import "bytes"

// The digits of a security code.
const (
	minCode = 3
	maxCode = 4
)

// maxCodeBytes is the longest string that is read as a security code, with room for escapes and spaces.
const maxCodeBytes = 64

// isCode reports whether a text is three or four digits and nothing else but space.
func isCode(text []byte) bool {
	text = bytes.TrimSpace(text)
	n := 0
	for at := 0; at < len(text); {
		next, k := classify(text, at)
		if k != digit && k != unseen {
			return false
		}
		if k == digit {
			n++
		}
		at = next
	}
	return n >= minCode && n <= maxCode
}

// isNumberAlone reports whether a text is 12 to 19 digits and nothing else but separators.
func isNumberAlone(text []byte) bool {
	n := 0
	for at := 0; at < len(text); {
		next, k := classify(text, at)
		if k == none {
			return false
		}
		if k == digit {
			n++
		}
		at = next
	}
	return n >= minDigits && n <= maxDigits
}

// maxNameBytes is the longest name that is looked at, with its escapes.
const maxNameBytes = 256

// memberName is the name of a member. It is looked at once, however many values the member has: a document may
// have a long name and thousands of short values.
type memberName struct {
	raw        []byte // without its quotes, and with its escapes
	looked     bool
	code, card bool // what the value is by this name
}

func (m *memberName) look() {
	if m.looked || len(m.raw) > maxNameBytes {
		return
	}
	name := unescape(m.raw)
	m.looked, m.code, m.card = true, namesSecurityCode(name), namesCardNumber(name)
}

func (m *memberName) isOfSecurityCode() bool {
	m.look()
	return m.code
}

func (m *memberName) isOfCardNumber() bool {
	m.look()
	return m.card
}

// maxName is the longest name that is looked at, without what is neither letter nor digit.
const maxName = 40

// plainName returns a name as small letters and digits alone: cardNumber, card_number and Card-Number are one. It is
// empty when it is too long.
func plainName(name []byte, into []byte) []byte {
	for _, b := range name {
		if !isAlphanumeric(b) {
			continue
		}
		if len(into) == maxName {
			return nil
		}
		if b > '9' {
			b |= 0x20
		}
		into = append(into, b)
	}
	return into
}

// namesSecurityCode reports whether a member with this name holds a card's security code. Every name that ends in
// cvv or cvc does. Of ü, which is not ASCII, nothing is left in a plain name.
func namesSecurityCode(name []byte) bool {
	var into [maxName]byte
	plain := bytes.TrimSuffix(plainName(name, into[:0]), []byte("2"))
	if bytes.HasSuffix(plain, []byte("cvv")) || bytes.HasSuffix(plain, []byte("cvc")) {
		return true
	}
	switch string(plain) {
	case "cvn", "csc", "cav", "cvvcode", "cvccode", "cvvnumber", "cvcnumber", "cardcode", "securitycode", "cardsecuritycode",
		"verificationvalue", "cardverificationvalue", "cardverificationcode", "cardverificationnumber", "kartenpruefnummer", "kartenprfnummer",
		"pruefnummer", "prfnummer", "pruefziffer", "prfziffer", "cardcid":
		return true
	}
	return false
}

// namesCardNumber reports whether a member with this name holds a card number.
func namesCardNumber(name []byte) bool {
	var into [maxName]byte
	switch string(plainName(name, into[:0])) {
	case "pan", "primaryaccountnumber", "cardnumber", "cardnum", "cardno", "ccnumber", "ccnum", "ccno", "creditcard", "creditcardnumber",
		"creditcardno", "debitcardnumber", "paymentcardnumber", "kreditkarte", "kreditkartennummer":
		return true
	}
	return false
}
