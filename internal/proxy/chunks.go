package proxy

import "errors"

const (
	// maxChunkLineBytes bounds the line with the size of a chunk, its extensions included, and a trailer.
	maxChunkLineBytes = 4 << 10
	// maxTrailers bounds the lines after the last chunk. They are dropped.
	maxTrailers    = 64
	maxChunkDigits = 15
)

var errChunks = errors.New("the chunks of a body are not well-formed")

// chunks takes the payload out of a chunked body, which may arrive in any pieces. Chunk extensions and
// trailers are dropped: nobody passes them on who does not know what they mean.
type chunks struct {
	stage    chunkStage
	left     int64 // bytes of the chunk that are still to come
	line     int   // bytes of the line so far
	digits   int   // of the size so far
	trailers int
	broken   bool // the line has seen its CR
}

type chunkStage int

const (
	chunkSize chunkStage = iota
	chunkExtension
	chunkData
	chunkEnd     // the line break after the data
	chunkTrailer // the lines after the last chunk
	chunksDone
)

// next reads on in a piece of the body. It returns the payload that comes next, which lies in the piece, how
// many bytes of the piece it took, and whether the body is over.
func (c *chunks) next(piece []byte) (payload []byte, used int, done bool, err error) {
	for used < len(piece) && c.stage != chunksDone {
		if c.stage == chunkData {
			n := int(min(c.left, int64(len(piece)-used)))
			payload = piece[used : used+n]
			if c.left -= int64(n); c.left == 0 {
				c.stage, c.broken = chunkEnd, false
			}
			return payload, used + n, false, nil
		}
		if err := c.step(piece[used]); err != nil {
			return nil, used, false, err
		}
		used++
	}
	return nil, used, c.stage == chunksDone, nil
}

// step takes one byte that is no payload.
func (c *chunks) step(ch byte) error {
	if c.line++; c.line > maxChunkLineBytes {
		return errChunks
	}
	switch {
	case c.broken && ch != '\n', !c.broken && ch == '\n':
		return errChunks
	case c.broken:
		c.broken = false
		return c.endLine()
	case ch == '\r':
		c.broken = true
		return nil
	}
	switch c.stage {
	case chunkSize:
		return c.sizeByte(ch)
	case chunkExtension, chunkTrailer:
		if ch < ' ' && ch != '\t' || ch == 0x7f {
			return errChunks
		}
		return nil
	default: // after the data nothing but a line break
		return errChunks
	}
}

func (c *chunks) sizeByte(ch byte) error {
	if (ch == ';' || ch == ' ' || ch == '\t') && c.digits > 0 {
		c.stage = chunkExtension
		return nil
	}
	if c.digits++; c.digits > maxChunkDigits || !isHex(ch) {
		return errChunks
	}
	c.left = c.left<<4 | int64(fromHex(ch))
	return nil
}

// endLine is at the end of a line. In the stage of trailers an empty line ends the body.
func (c *chunks) endLine() error {
	empty := c.line == len("\r\n")
	c.line = 0
	switch c.stage {
	case chunkSize, chunkExtension:
		if c.digits == 0 {
			return errChunks
		}
		c.digits, c.stage = 0, chunkData
		if c.left == 0 {
			c.stage = chunkTrailer
		}
	case chunkEnd:
		c.stage = chunkSize
	case chunkTrailer:
		if empty {
			c.stage = chunksDone
		} else if c.trailers++; c.trailers > maxTrailers {
			return errChunks
		}
	case chunkData, chunksDone:
	}
	return nil
}

const hexDigits = "0123456789abcdef"

// appendChunkSize begins a chunk.
func appendChunkSize(b []byte, n int) []byte {
	var digits [16]byte
	i := len(digits)
	for {
		i--
		digits[i] = hexDigits[n&15]
		if n >>= 4; n == 0 {
			break
		}
	}
	return append(append(b, digits[i:]...), "\r\n"...)
}

var lastChunk = []byte("0\r\n\r\n")
