package queue

import "crypto/sha256"

// maxInterest bounds the items that one visitor may name.
const maxInterest = 4

// Mark stands for a SKU where there is no room for its name: the first 24 bits of its SHA-256. 0 stands for none.
type Mark uint32

// MarkOf returns the mark of the SKU, which is never 0.
func MarkOf(sku string) Mark {
	sum := sha256.Sum256([]byte(sku))
	return max(1, Mark(sum[0])<<16|Mark(sum[1])<<8|Mark(sum[2]))
}

// Interest is the set of items for which a visitor came, as marks in ascending order behind the zeros. The zero
// value names none: the visitor takes any.
type Interest [maxInterest]Mark

// Named says whether any item is named.
func (i Interest) Named() bool { return i != Interest{} }

func (i Interest) put(b []byte) {
	for at, mark := range i {
		b[3*at], b[3*at+1], b[3*at+2] = byte(mark>>16), byte(mark>>8), byte(mark)
	}
}

func readInterest(b []byte) (i Interest) {
	for at := range i {
		i[at] = Mark(b[3*at])<<16 | Mark(b[3*at+1])<<8 | Mark(b[3*at+2])
	}
	return i
}
