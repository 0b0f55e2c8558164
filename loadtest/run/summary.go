package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
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

// outcomes tells how many visitors ended how, the most common first. The rest
// were turned away by a refusal.
func (s summary) outcomes() string {
	type ending struct {
		name  string
		count int64
	}
	var endings []ending
	rest := s.count("outcomes")
	for metric := range s.Metrics {
		name, found := strings.CutPrefix(metric, "outcomes{outcome:")
		if !found || s.count(metric) == 0 {
			continue
		}
		endings = append(endings, ending{strings.TrimSuffix(name, "}"), s.count(metric)})
		rest -= s.count(metric)
	}
	slices.SortFunc(endings, func(a, b ending) int { return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.name, b.name)) })
	if rest > 0 {
		endings = append(endings, ending{"other", rest})
	}
	parts := make([]string, len(endings))
	for i, e := range endings {
		parts[i] = fmt.Sprintf("%d %s", e.count, e.name)
	}
	return strings.Join(parts, ", ")
}
