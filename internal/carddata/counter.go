package carddata

// What a byte is to a counter, and to the reader of a document.
const (
	plainByte = iota
	letterByte
	digitByte
	markByte // it may begin an encoded separator, or it escapes
	quoteByte
	endByte // it ends the value of a member
)

var byteKinds = [256]uint8{
	'0': digitByte, '1': digitByte, '2': digitByte, '3': digitByte, '4': digitByte,
	'5': digitByte, '6': digitByte, '7': digitByte, '8': digitByte, '9': digitByte,
	'a': letterByte, 'b': letterByte, 'c': letterByte, 'd': letterByte, 'e': letterByte, 'f': letterByte, 'g': letterByte,
	'h': letterByte, 'i': letterByte, 'j': letterByte, 'k': letterByte, 'l': letterByte, 'm': letterByte, 'n': letterByte,
	'o': letterByte, 'p': letterByte, 'q': letterByte, 'r': letterByte, 's': letterByte, 't': letterByte, 'u': letterByte,
	'v': letterByte, 'w': letterByte, 'x': letterByte, 'y': letterByte, 'z': letterByte,
	'A': letterByte, 'B': letterByte, 'C': letterByte, 'D': letterByte, 'E': letterByte, 'F': letterByte, 'G': letterByte,
	'H': letterByte, 'I': letterByte, 'J': letterByte, 'K': letterByte, 'L': letterByte, 'M': letterByte, 'N': letterByte,
	'O': letterByte, 'P': letterByte, 'Q': letterByte, 'R': letterByte, 'S': letterByte, 'T': letterByte, 'U': letterByte,
	'V': letterByte, 'W': letterByte, 'X': letterByte, 'Y': letterByte, 'Z': letterByte,
	'&': markByte, '%': markByte, '\\': markByte,
	'"': quoteByte, ',': endByte, '{': endByte, '}': endByte, ']': endByte,
}

// counter counts at least the digits that stand in a text without a letter among them: with fewer than a card number has
// nobody need look closer. Where letters may be part of a separator or of an escape, they end nothing.
type counter struct {
	now, most int
	marked    bool
}

func (c *counter) add(b byte) {
	switch byteKinds[b] {
	case letterByte:
		if c.now > 0 && !c.marked {
			c.most, c.now = max(c.most, c.now), 0
		}
	case digitByte:
		c.now++
	case markByte:
		c.marked = true
	case plainByte:
		c.now += int(b >> 7 & (b >> 6) & 1) // 1 for the first byte of a character that may be a digit of another script
	}
}

func (c *counter) total() int { return max(c.now, c.most) }
