package carddata

// The lengths of a card number.
const (
	minDigits = 12
	maxDigits = 19
)

// scheme is a range of first digits, and the lengths that numbers have which begin so.
type scheme struct {
	from, to uint32 // both with the same number of digits
	digits   uint32 // how many these are
	lengths  uint32 // bit n is set: n digits
}

// Sets of lengths.
const (
	only12to19 = 1<<20 - 1<<12
	only16to19 = 1<<20 - 1<<16
	only14or16 = 1<<14 | 1<<16
	only16or19 = 1<<16 | 1<<19
)

// schemes are the first digits that the card schemes publish for their issuers (IIN, ISO/IEC 7812), each with the lengths
// that are in use. 60, 627 and 63 are not whole: most customer and gift cards of shops begin so, and have a Luhn digit.
//
// Regional schemes are within the ranges of others where none is said: Elo, Carnet, Verve and Dankort within 50 and 4,
// Bancontact within 67, BC and DinaCard within 65, LankaPay within those of JCB.
var schemes = [...]scheme{
	{4, 4, 1, 1<<13 | 1<<16 | 1<<19},        // Visa
	{51, 55, 2, 1 << 16},                    // Mastercard
	{2221, 2720, 4, 1 << 16},                // Mastercard
	{34, 34, 2, 1 << 15},                    // American Express
	{37, 37, 2, 1 << 15},                    // American Express
	{300, 305, 3, only14or16},               // Diners Club
	{3095, 3095, 4, only14or16},             // Diners Club
	{36, 36, 2, 1<<14 | only16or19},         // Diners Club
	{38, 39, 2, 1<<14 | only16or19},         // Diners Club; Hipercard
	{6011, 6011, 4, only16or19},             // Discover
	{644, 649, 3, only16or19},               // Discover
	{65, 65, 2, only16or19},                 // Discover, RuPay, Troy, Elo, Verve
	{3528, 3589, 4, only16or19},             // JCB
	{1800, 1800, 4, 1 << 15},                // JCB, old
	{2131, 2131, 4, 1 << 15},                // JCB, old
	{620, 626, 3, only16to19},               // UnionPay
	{6270, 6270, 4, only16to19},             // UnionPay
	{627170, 627170, 6, 1 << 16},            // Cabal
	{6272, 6272, 4, only16to19},             // UnionPay
	{6276, 6277, 4, only16to19},             // UnionPay, Elo
	{628, 629, 3, only16to19},               // UnionPay
	{8100, 8171, 4, only16to19},             // UnionPay
	{2200, 2204, 4, only16to19},             // Mir
	{2205, 2205, 4, 1 << 16},                // BORICA
	{5018, 5018, 4, only12to19},             // Maestro
	{5020, 5020, 4, only12to19},             // Maestro
	{5038, 5038, 4, only12to19},             // Maestro
	{5893, 5893, 4, only12to19},             // Maestro
	{6304, 6304, 4, only12to19},             // Maestro
	{6390, 6390, 4, only16to19},             // Maestro
	{6759, 6759, 4, only12to19},             // Maestro
	{6761, 6763, 4, only12to19},             // Maestro
	{50, 50, 2, 1<<16 | 1<<18 | 1<<19},      // Maestro, Elo, Verve, RuPay
	{56, 58, 2, 1<<16 | 1<<18 | 1<<19},      // Maestro, UzCard, Naranja
	{67, 67, 2, only16to19},                 // Maestro, Bancontact
	{636297, 636297, 6, 1 << 16},            // Elo
	{636368, 636368, 6, 1 << 16},            // Elo
	{606282, 606282, 6, 1<<13 | only16or19}, // Hipercard
	{637095, 637095, 6, 1 << 16},            // Hipercard
	{637568, 637568, 6, 1 << 16},            // Hipercard
	{637599, 637600, 6, 1 << 16},            // Hipercard
	{637609, 637612, 6, 1 << 16},            // Hipercard
	{603522, 603522, 6, 1 << 16},            // Cabal
	{604001, 604400, 6, only16to19},         // UkrCard, Cabal
	{606985, 607984, 6, 1 << 16},            // RuPay
	{608001, 608500, 6, 1 << 16},            // RuPay
	{353, 353, 3, 1 << 16},                  // RuPay with JCB
	{356, 356, 3, 1 << 16},                  // RuPay with JCB
	{81, 82, 2, 1 << 16},                    // RuPay
	{8600, 8600, 4, 1 << 16},                // UzCard
	{9860, 9860, 4, 1 << 16},                // Humo
	{9792, 9792, 4, 1 << 16},                // Troy
	{1946, 1946, 4, 1 << 16},                // GPN
}

// isCard reports whether digits, each 0 to 9, are a card number by scheme, length and check digit.
func isCard(digits []byte) bool {
	return len(digits) >= minDigits && len(digits) <= maxDigits && luhn(digits) && ofScheme(digits) && !isOther(digits)
}

func ofScheme(digits []byte) bool {
	// heads[n] is the number that the first n digits make.
	var heads [7]uint32
	for n := 1; n < len(heads); n++ {
		heads[n] = heads[n-1]*10 + uint32(digits[n-1])
	}
	length := uint32(1) << len(digits)
	for i := range schemes {
		s := &schemes[i]
		if head := heads[s.digits]; head >= s.from && head <= s.to && s.lengths&length != 0 {
			return true
		}
	}
	return false
}

// luhn is the check of ISO/IEC 7812-1, annex B: from the right every second digit is doubled.
func luhn(digits []byte) bool {
	sum := 0
	for i, d := range digits {
		n := int(d)
		if (len(digits)-i)%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}

// isOther reports whether digits are rather an article or telephone number than a card number.
func isOther(digits []byte) bool {
	switch len(digits) {
	case 13:
		return isGTIN(digits) || digits[0] == 4 && (digits[1] == 3 || digits[1] == 4 || digits[1] == 9)
	case 12:
		return isGTIN(digits)
	default:
		return false
	}
}

// isGTIN is the check of the GS1 General Specifications: from the right the weights are 1, 3, 1, 3 …
func isGTIN(digits []byte) bool {
	sum := 0
	for i, d := range digits {
		if (len(digits)-i)%2 == 0 {
			sum += 3 * int(d)
		} else {
			sum += int(d)
		}
	}
	return sum%10 == 0
}

// isRow reports whether digits that stand together without a separator are a card number, or begin with one that
// has an expiry date and perhaps a security code behind it.
func isRow(digits []byte) bool {
	if isCard(digits) {
		return true
	}
	for _, n := range [...]int{14, 15, 16, 19} {
		rest := len(digits) - n
		if (rest == 4 || rest == 7 || rest == 8) && isExpiry(digits[n:n+4]) && isCard(digits[:n]) {
			return true
		}
	}
	return false
}

// isExpiry reports whether four digits are a month and a year from 2020 to 2049, in either order.
func isExpiry(d []byte) bool {
	first, second := d[0]*10+d[1], d[2]*10+d[3]
	month := func(n byte) bool { return n >= 1 && n <= 12 }
	year := func(n byte) bool { return n >= 20 && n <= 49 }
	return month(first) && year(second) || year(first) && month(second)
}
