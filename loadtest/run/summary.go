package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// summary is k6's own export: metric name to its figures.
type summary struct {
	Metrics map[string]map[string]json.RawMessage `json:"metrics"`
}

func readSummary(path string) (s summary, err error) {
	text, err := os.ReadFile(path) //nolint:gosec // our own report
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// count is the total of a counter; 0 when nothing was counted.
func (s summary) count(metric string) int64 { return int64(s.figure(metric, "count")) }

// figure is one figure of a metric, e.g. "p(99)" of a trend, in milliseconds.
func (s summary) figure(metric, name string) float64 {
	var value float64
	if text, ok := s.Metrics[metric][name]; ok && json.Unmarshal(text, &value) == nil {
		return value
	}
	return 0
}
