package queue

// bitmap is a set of ticket numbers. Bit n lies where Redis's SETBIT puts it: in byte n/8, from
// the most significant bit down, so that it can be read from and written to Redis as it is.
type bitmap []byte

func (b bitmap) has(n Number) bool {
	return n/8 < Number(len(b)) && b[n/8]&(0x80>>(n%8)) != 0
}

// set adds n, which is at most maxNumber, and returns the grown bitmap.
func (b bitmap) set(n Number) bitmap {
	if n > maxNumber {
		return b
	}
	if need := int(n/8) + 1; need > len(b) {
		b = append(b, make([]byte, max(need, len(b)*5/4)-len(b))...)
	}
	b[n/8] |= 0x80 >> (n % 8)
	return b
}
