package degrade

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

const (
	// stateKey is a hash of two JSON documents: fieldMeasured is the leader's, fieldPin the
	// operator's, so that neither can overwrite the other. It never expires.
	stateKey      = "ps:degrade"
	fieldMeasured = "measured"
	fieldPin      = "override"

	// commitKeyPrefix starts the keys of the latest commit latencies, in milliseconds. A node
	// writes to the slot of its name: a fixed number of keys, each gone by itself when nobody
	// reports. Two nodes in one slot overwrite each other, which costs precision only.
	commitKeyPrefix = "ps:{degrade}:commit:"
	commitSlots     = 16
	commitTTLMillis = 10_000
)

// reading is the leader's document.
type reading struct {
	Level    Level     `json:"level"`
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason"`
	Pressure Pressure  `json:"pressure"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
}

// pin is the operator's document. Level is nil once lifted.
type pin struct {
	Level *Level    `json:"level"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
}

// compose joins both documents, either of which may be missing.
func compose(measured *reading, pinned *pin) State {
	s := State{measuredReason: "not measured yet"}
	if measured != nil {
		s.Measured, s.MeasuredSince = measured.Level, measured.Since
		s.MeasuredAt, s.MeasuredBy = measured.At, measured.By
		s.Pressure, s.measuredReason = measured.Pressure, measured.Reason
	}
	if pinned != nil {
		s.Override, s.OverrideBy, s.OverrideAt = pinned.Level, pinned.By, pinned.At
	}
	return s.settle()
}

// store is what Penstock keeps in Redis about degradation.
type store struct{ client rueidis.Client }

func (s store) read(ctx context.Context) (*reading, *pin, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	cmd := s.client.B().Hmget().Key(stateKey).Field(fieldMeasured, fieldPin).Build()
	fields, err := s.client.Do(ctx, cmd).ToArray()
	if err != nil {
		return nil, nil, fmt.Errorf("read degradation level: %w", err)
	}
	measured, err := decodeField[reading](fields, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("degradation level in %s is damaged: %w", stateKey, err)
	}
	pinned, err := decodeField[pin](fields, 1)
	if err != nil {
		return nil, nil, fmt.Errorf("override in %s is damaged: %w", stateKey, err)
	}
	return measured, pinned, nil
}

// decodeField returns nil for a field that is not there.
func decodeField[T any](fields []rueidis.RedisMessage, i int) (*T, error) {
	if i >= len(fields) || fields[i].IsNil() {
		return nil, nil
	}
	text, err := fields[i].ToString()
	if err != nil {
		return nil, err
	}
	var doc T
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, err
	}
	return &doc, nil
}

func (s store) writeReading(ctx context.Context, r reading) error {
	return s.set(ctx, fieldMeasured, r)
}

func (s store) writePin(ctx context.Context, p pin) error {
	return s.set(ctx, fieldPin, p)
}

func (s store) set(ctx context.Context, field string, doc any) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	cmd := s.client.B().Hset().Key(stateKey).FieldValue().FieldValue(field, string(text)).Build()
	if err := s.client.Do(ctx, cmd).Error(); err != nil {
		return fmt.Errorf("write degradation level: %w", err)
	}
	return nil
}

// restorePin writes the operator's document only where there is none.
func (s store) restorePin(ctx context.Context, p pin) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	cmd := s.client.B().Hsetnx().Key(stateKey).Field(fieldPin).Value(string(text)).Build()
	if err := s.client.Do(ctx, cmd).Error(); err != nil {
		return fmt.Errorf("restore degradation override: %w", err)
	}
	return nil
}

func (s store) writeCommit(ctx context.Context, nodeID string, latency time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	millis := strconv.FormatInt(latency.Milliseconds(), 10)
	cmd := s.client.B().Set().Key(commitKey(commitSlot(nodeID))).Value(millis).PxMilliseconds(commitTTLMillis).Build()
	return s.client.Do(ctx, cmd).Error()
}

// slowestCommitMillis is the largest latency reported by any node in the last 10 s, 0 when none was.
func (s store) slowestCommitMillis(ctx context.Context) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	keys := make([]string, commitSlots)
	for slot := range keys {
		keys[slot] = commitKey(slot)
	}
	values, err := s.client.Do(ctx, s.client.B().Mget().Key(keys...).Build()).ToArray()
	if err != nil {
		return 0, fmt.Errorf("read commit latencies: %w", err)
	}
	slowest := 0.0
	for _, v := range values {
		if v.IsNil() {
			continue
		}
		millis, err := v.AsFloat64()
		if err != nil {
			return 0, fmt.Errorf("read commit latencies: %w", err)
		}
		slowest = max(slowest, millis)
	}
	return slowest, nil
}

func commitKey(slot int) string { return commitKeyPrefix + strconv.Itoa(slot) }

func commitSlot(nodeID string) int {
	h := fnv.New32a()
	h.Write([]byte(nodeID)) // never fails, as hash.Hash promises
	return int(h.Sum32() % commitSlots)
}
