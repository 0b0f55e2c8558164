package reservation

import (
	"slices"
	"strconv"
	"strings"
)

// Drawn tells of which channels' shares the units of a reservation are: its lines, as the record has them,
// "SKU=units" of the reservation's own channel and "SKU=units@channel" of another one. It is empty when all
// are of its own.
type Drawn string

// DrawnPart are units of an item that are of the share of one channel; "" is that of the reservation.
type DrawnPart struct {
	SKU      string
	Quantity int64
	Channel  string
}

const (
	drawnMark = "@"
	// drawnMost is into how many parts the lines of a reservation may be divided (PARTS_MOST in
	// scripts/reserve.lua).
	drawnMost = 100
	// MaxDrawn is how many bytes a Drawn has at most.
	MaxDrawn = drawnMost * (len("=1000@,") + 64 + 32)
)

// drawnWord is what lines tell of other channels.
func drawnWord(lines string) Drawn {
	if strings.Contains(lines, drawnMark) {
		return Drawn(lines)
	}
	return ""
}

// linesWord is the word of lines, by what is known of their channels.
func linesWord(lines []Line, drawn Drawn) string {
	if drawn != "" {
		return string(drawn)
	}
	return packLines(lines)
}

func parsePart(text string) (DrawnPart, error) {
	sku, rest, ok := strings.Cut(text, "=")
	units, channel, foreign := strings.Cut(rest, drawnMark)
	n, err := strconv.ParseInt(units, 10, 64)
	if !ok || err != nil || sku == "" || n <= 0 || foreign && channel == "" {
		return DrawnPart{}, errRecord
	}
	return DrawnPart{SKU: sku, Quantity: n, Channel: channel}, nil
}

// Parts returns what it says; nothing of an empty one, and of one that cannot be read.
func (d Drawn) Parts() []DrawnPart {
	if d == "" {
		return nil
	}
	var parts []DrawnPart
	for text := range strings.SplitSeq(string(d), ",") {
		part, err := parsePart(text)
		if err != nil {
			return nil
		}
		parts = append(parts, part)
	}
	return parts
}

// Fits reports whether it can be kept and tells of these lines, all units of each.
func (d Drawn) Fits(lines []Line) bool {
	if d == "" {
		return true
	}
	if len(d) > MaxDrawn || strings.ContainsAny(string(d), " |\n") {
		return false
	}
	told, err := parseLines(string(d))
	return err == nil && slices.Equal(told, lines)
}
