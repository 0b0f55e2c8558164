package carddata

// maxWhole is more digits than any card number has with what may stand behind it.
const maxWhole = 32

// wholeNumber returns the digits, each 0 to 9, of a number of JSON without its sign. It is not whole with a fraction, and
// one of more than 32 digits is not worked out.
func wholeNumber(number []byte) (digits []byte, whole bool) {
	mantissa, exponent := number, 0
	for i, b := range number {
		if b == 'e' || b == 'E' {
			mantissa, exponent = number[:i], readExponent(number[i+1:])
			break
		}
	}
	digits = make([]byte, 0, maxWhole)
	point, seen, zeros := -1, 0, 0
	for _, b := range mantissa {
		switch {
		case b == '.' && point < 0:
			point = seen
		case b-'0' > 9:
			return nil, false
		case b == '0' && len(digits) == 0:
			seen++
			zeros++
		case len(digits) == maxWhole:
			return nil, false
		default:
			seen++
			digits = append(digits, b-'0')
		}
	}
	if point < 0 {
		point = seen
	}
	return shift(digits, point-zeros+exponent)
}

// shift returns the first n of digits, with zeros behind them if they are fewer. Behind these only zeros may be.
func shift(digits []byte, n int) (_ []byte, whole bool) {
	if n <= 0 || n > maxWhole {
		return nil, false
	}
	for len(digits) < n {
		digits = append(digits, 0)
	}
	for _, d := range digits[n:] {
		if d != 0 {
			return nil, false
		}
	}
	return digits[:n], true
}

// readExponent is bounded: beyond a hundred no number is a card's.
func readExponent(text []byte) int {
	negative := len(text) > 0 && text[0] == '-'
	if negative || len(text) > 0 && text[0] == '+' {
		text = text[1:]
	}
	const most = 1000
	n := 0
	for _, b := range text {
		if b-'0' > 9 {
			return most
		}
		n = min(n*10+int(b-'0'), most)
	}
	if negative {
		return -n
	}
	return n
}
