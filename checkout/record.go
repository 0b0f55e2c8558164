package checkout

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A message of either stream is a record batch: a version byte, then for each record its length
// as an unsigned varint (encoding/binary) and its bytes. JetStream keeps a checksum of each
// message, so the batch has none of its own.
const batchVersion = 1

// maxRecords bounds what a reader believes about one message.
const maxRecords = 1 << 16

var errBatch = errors.New("checkout: not a record batch")

func newBatch(sizeHint int) []byte { return append(make([]byte, 0, sizeHint+1), batchVersion) }

func appendRecord(batch, record []byte) []byte {
	batch = binary.AppendUvarint(batch, uint64(len(record)))
	return append(batch, record...)
}

// recordBytes is what a record of that length takes in a batch, at most.
func recordBytes(length int) int { return length + binary.MaxVarintLen32 }

// splitBatch returns the records of a message. They alias it.
func splitBatch(message []byte) ([][]byte, error) {
	if len(message) == 0 || message[0] != batchVersion {
		return nil, fmt.Errorf("%w: unknown version", errBatch)
	}
	rest := message[1:]
	var records [][]byte
	for len(rest) > 0 {
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return nil, fmt.Errorf("%w: cut short after %d records", errBatch, len(records))
		}
		if len(records) == maxRecords {
			return nil, fmt.Errorf("%w: more than %d records", errBatch, maxRecords)
		}
		records = append(records, rest[n:n+int(length):n+int(length)])
		rest = rest[n+int(length):]
	}
	return records, nil
}
