package carddata

// passOver looks at the word of letters and digits that begins at a place. It returns where to go on if the word is one
// in which digits mean something else: an IBAN, a UUID, a key or digest in hexadecimal. Otherwise it returns the place.
func (f *finder) passOver(at int) int {
	if at < f.wordEnd || !isAlphanumeric(f.text[at]) {
		return at
	}
	end, letters, hexadecimal := at, 0, true
	for ; end < len(f.text) && isAlphanumeric(f.text[end]); end++ {
		if b := f.text[end]; b > '9' {
			letters++
			hexadecimal = hexadecimal && b|0x20 <= 'f'
		}
	}
	f.wordEnd = end
	const longest, fewest = 20, 3 // characters and letters of a digest, at least
	switch {
	case hexadecimal && letters >= fewest && end-at >= longest:
		return end
	case end-at == 8 && hexadecimal && isUUID(f.text, at):
		return at + uuidBytes
	case letters >= 2 && beginsIBAN(f.text[at:end]):
		return passIBAN(f.text, at)
	default:
		return at
	}
}

func isAlphanumeric(b byte) bool { return b-'0' <= 9 || b|0x20 >= 'a' && b|0x20 <= 'z' }

func isHexadecimal(b byte) bool { return b-'0' <= 9 || b|0x20 >= 'a' && b|0x20 <= 'f' }

const uuidBytes = 36

// isUUID reports whether the text form of RFC 9562 stands at a place: 8-4-4-4-12 hexadecimal digits.
func isUUID(text []byte, at int) bool {
	end := at + uuidBytes
	if end > len(text) || end < len(text) && isAlphanumeric(text[end]) {
		return false
	}
	for i, b := range text[at:end] {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen != (b == '-') || !hyphen && !isHexadecimal(b) {
			return false
		}
	}
	return true
}

// The lengths of an IBAN.
const (
	minIBAN = 15
	maxIBAN = 34
)

func beginsIBAN(word []byte) bool {
	return len(word) >= 4 && word[0] > '9' && word[1] > '9' && word[2] <= '9' && word[3] <= '9'
}

// passIBAN returns where an IBAN ends that begins at a place: two letters, two check digits, and letters and digits with
// single spaces between them. It is the longest whose check digits are right. Without one it returns the place.
func passIBAN(text []byte, at int) int {
	var plain [maxIBAN]byte
	found, n := at, 0
	for i := at; i < len(text) && n < maxIBAN; i++ {
		if text[i] == ' ' && n >= 4 && text[i-1] != ' ' {
			continue
		}
		if !isAlphanumeric(text[i]) {
			break
		}
		plain[n] = text[i]
		n++
		ends := i+1 == len(text) || !isAlphanumeric(text[i+1])
		if ends && n >= minIBAN && isIBAN(plain[:n]) {
			found = i + 1
		}
	}
	return found
}

// isIBAN is the check of ISO 13616: with the first four characters at the end, and letters as 10 to 35, the rest of the
// division by 97 is 1.
func isIBAN(plain []byte) bool {
	rest := 0
	for i := range plain {
		b := plain[(i+4)%len(plain)]
		if b <= '9' {
			rest = (rest*10 + int(b-'0')) % 97
		} else {
			rest = (rest*100 + int(b|0x20-'a') + 10) % 97
		}
	}
	return rest == 1
}
