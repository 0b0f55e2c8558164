package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/queue"
)

// TestThePagesSayForHowLongTheJournalKeepsWhat compares what the pages say with what the program does.
func TestThePagesSayForHowLongTheJournalKeepsWhat(t *testing.T) {
	keeps, again := fmt.Sprintf("%.0f", checkout.JournalMaxAge.Hours()), fmt.Sprintf("%.0f", queue.PlacesKeptEvery.Hours())
	for page, sentences := range map[string][]string{
		"identity.md":      {"The journal keeps " + keeps + " hours.", "journals all keys again each " + again + " hours"},
		"fairness.md":      {"forgets after " + keeps + " hours"},
		"operations.md":    {"Records older than " + keeps + " hours are removed"},
		"sizing.md":        {"The journal keeps its records for " + keeps + " h"},
		"configuration.md": {"Records are removed only by age, after " + keeps + " hours."},
	} {
		data, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(string(data)), " ")
		for _, sentence := range sentences {
			if !strings.Contains(text, sentence) {
				t.Errorf("docs/%s does not say %q", page, sentence)
			}
		}
	}
}

// TestOperationsListsEveryMetricAndNoOther compares the table of docs/operations.md, labels included,
// with what a process of all roles registers.
func TestOperationsListsEveryMetricAndNoOther(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(penstock_[^|]*) \\|").FindAllStringSubmatch(string(page), -1) {
		for name := range strings.SplitSeq(row[1], ", `") {
			listed = append(listed, strings.TrimSuffix(name, "`"))
		}
	}
	registered := registeredMetrics(t)
	slices.Sort(listed)
	for _, name := range registered {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/operations.md does not list %s", name)
		}
	}
	for i, name := range listed {
		if !slices.Contains(registered, name) || i > 0 && listed[i-1] == name {
			t.Errorf("docs/operations.md lists %s, which the program does not have, or lists it twice", name)
		}
	}
}

// registeredMetrics are the metrics of a process, each with the names of its labels.
func registeredMetrics(t *testing.T) (names []string) {
	t.Helper()
	var settings config.Config
	parser, err := kong.New(&settings)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--listen", "127.0.0.1:0", "--console-listen", "127.0.0.1:0", "--data-dir", t.TempDir(), "--upstream", "http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	running, err := start(t.Context(), &settings, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := running.stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		running.reg.Describe(descriptions)
	}()
	parts := regexp.MustCompile(`fqName: "(penstock_[^"]*)".*variableLabels: (\{[^}]*\})`)
	for one := range descriptions {
		if found := parts.FindStringSubmatch(one.String()); found != nil {
			names = append(names, found[1]+strings.TrimSuffix(found[2], "{}"))
		}
	}
	slices.Sort(names)
	return names
}
