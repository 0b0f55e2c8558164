package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// acceptedOrder is an order that a visitor was told is accepted.
type acceptedOrder struct {
	ID          string `json:"id"`
	Reservation string `json:"reservation"`
	Customer    string `json:"customer"`
	AtMillis    int64  `json:"at"`
}

// consoleLines are what the crowd left on k6's console.
type consoleLines struct {
	accepted []acceptedOrder
	troubles []string // answers that broke the contract, as far as told
}

const maxLineBytes = 1 << 20

// readConsole reads k6's console output; a file that is not there yet is empty.
func readConsole(path string) (lines consoleLines, err error) {
	file, err := os.Open(path) //nolint:gosec // our own report
	if errors.Is(err, fs.ErrNotExist) {
		return lines, nil
	}
	if err != nil {
		return lines, err
	}
	defer func() { _ = file.Close() }()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, maxLineBytes)
	for scanner.Scan() {
		var line struct {
			Kind string `json:"kind"`
			acceptedOrder
		}
		switch err := json.Unmarshal(scanner.Bytes(), &line); {
		case err == nil && line.Kind == "order":
			lines.accepted = append(lines.accepted, line.acceptedOrder)
		default:
			lines.troubles = append(lines.troubles, scanner.Text())
		}
	}
	if err := scanner.Err(); err != nil {
		return lines, fmt.Errorf("%s: %w", path, err)
	}
	return lines, nil
}
