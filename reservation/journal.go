package reservation

import (
	"encoding/binary"
	"errors"
	"strings"
)

// A journal record says all that is known of a reservation at one moment, so that any one of them
// is enough and their order does not matter:
//
//	'r', version 2, kind, core (16 bytes), uvarints epoch, created, expires, extensions (times in ms),
//	durability, customer key (12 bytes), payload hash (16 bytes), channel,
//	number of lines, each SKU and units,
//	bearer ("" for none), uvarint when the bearer's pass is over (ms, 0 without one);
//	strings are preceded by their length. Version 1 ends after the lines: its bearer is not known.
//	Version 3 goes on with what was drawn from other channels; it is written for nothing else.
const (
	journalMark    = 'r'
	journalVersion = 2
	withoutBearer  = 1 // the version before
	withDrawn      = 3
	kindHeld       = 'h'
	kindExtended   = 'e'
	kindReleased   = 'x'

	journalMostLines = 64
	journalMostText  = 256
)

var errJournal = errors.New("reservation: not a journal record of this package")

func encodeJournal(kind byte, core string, r *record) ([]byte, error) {
	lines, err := parseLines(r.lines)
	if err != nil {
		return nil, err
	}
	drawn := drawnWord(r.lines)
	version := byte(journalVersion)
	if drawn != "" {
		version = withDrawn
	}
	buf := append(make([]byte, 0, 128), journalMark, version, kind)
	if buf, err = encoding.AppendDecode(buf, []byte(core)); err != nil {
		return nil, err
	}
	for _, n := range [...]int64{r.epoch, r.created, r.expires, r.extensions} {
		buf = binary.AppendUvarint(buf, uint64(n))
	}
	buf = append(buf, r.durability)
	if buf, err = encoding.AppendDecode(buf, []byte(r.customer)); err != nil {
		return nil, err
	}
	if buf, err = encoding.AppendDecode(buf, []byte(r.payload)); err != nil {
		return nil, err
	}
	buf = appendText(buf, channelOf(r.channel))
	buf = binary.AppendUvarint(buf, uint64(len(lines)))
	for _, line := range lines {
		buf = appendText(buf, line.SKU)
		buf = binary.AppendUvarint(buf, uint64(line.Quantity))
	}
	buf = appendText(buf, bearerOf(r.bearer))
	buf = binary.AppendUvarint(buf, uint64(r.until))
	if drawn != "" {
		buf = appendText(buf, string(drawn))
	}
	return buf, nil
}

func appendText(buf []byte, text string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(text))), text...)
}

// journalReader reads the parts in their order; after the first failure all of them are empty.
type journalReader struct {
	rest   []byte
	failed bool
}

func (j *journalReader) bytes(n int) []byte {
	if j.failed || n < 0 || n > len(j.rest) {
		j.failed = true
		return make([]byte, max(0, min(n, journalMostText)))
	}
	part := j.rest[:n]
	j.rest = j.rest[n:]
	return part
}

func (j *journalReader) number() int64 {
	n, size := binary.Uvarint(j.rest)
	if j.failed || size <= 0 || n > 1<<62 {
		j.failed = true
		return 0
	}
	j.rest = j.rest[size:]
	return int64(n)
}

func (j *journalReader) text() string { return j.textWithin(journalMostText) }

func (j *journalReader) textWithin(most int64) string {
	n := j.number()
	if n > most {
		j.failed = true
		return ""
	}
	return string(j.bytes(int(n)))
}

func (j *journalReader) encoded(n int) string { return encoding.EncodeToString(j.bytes(n)) }

func decodeJournal(data []byte) (kind byte, core string, r record, err error) {
	j := &journalReader{rest: data}
	head := j.bytes(3)
	if j.failed || head[0] != journalMark || head[1] < withoutBearer || head[1] > withDrawn {
		return 0, "", record{}, errJournal
	}
	kind, core = head[2], j.encoded(coreBytes)
	r = record{status: letterHeld, bearer: nothing, epoch: j.number(), created: j.number(), expires: j.number(), extensions: j.number()}
	r.durability = j.bytes(1)[0]
	r.customer, r.payload, r.channel = j.encoded(customerBytes), j.encoded(payloadBytes), channelWord(j.text())
	count := j.number()
	if j.failed || count < 1 || count > journalMostLines {
		return 0, "", record{}, errJournal
	}
	lines := make([]Line, 0, count)
	for range count {
		lines = append(lines, Line{SKU: j.text(), Quantity: j.number()})
	}
	r.lines = packLines(lines)
	if head[1] != withoutBearer {
		r.bearer, r.until = orNothing(j.text()), j.number()
	}
	if head[1] == withDrawn {
		drawn := Drawn(j.textWithin(int64(MaxDrawn)))
		if drawn == "" || !drawn.Fits(lines) {
			j.failed = true
		}
		r.lines = string(drawn)
	}
	if j.failed || len(j.rest) > 0 || !wellFormed(kind, &r, lines) {
		return 0, "", record{}, errJournal
	}
	return kind, core, r, nil
}

// wellFormed keeps out what would be read differently once it is text.
func wellFormed(kind byte, r *record, lines []Line) bool {
	for _, line := range lines {
		if line.SKU == "" || line.Quantity < 1 || strings.ContainsAny(line.SKU, " ,=|") {
			return false
		}
	}
	if r.bearer == nothing && r.until != 0 || r.bearer != nothing && !validBearer(r.bearer) {
		return false
	}
	return strings.IndexByte("hex", kind) >= 0 && strings.IndexByte("mjd", r.durability) >= 0 &&
		!strings.ContainsAny(r.channel, " ,|")
}
