package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReadConsoleTellsOrdersFromTroubles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.jsonl")
	text := `{"kind":"order","id":"ord_a","reservation":"rsv_a","customer":"c-1","at":5}
{"kind":"unexpected","call":"poll","status":500}
time="…" level=warning msg="Insufficient VUs"
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err := readConsole(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines.accepted) != 1 || lines.accepted[0] != (acceptedOrder{ID: "ord_a", Reservation: "rsv_a", Customer: "c-1", AtMillis: 5}) {
		t.Errorf("accepted %+v", lines.accepted)
	}
	if len(lines.troubles) != 2 {
		t.Errorf("troubles %q, want both other lines", lines.troubles)
	}
}

func TestReadConsoleBeforeTheFirstLine(t *testing.T) {
	lines, err := readConsole(filepath.Join(t.TempDir(), "none"))
	if err != nil || len(lines.accepted) != 0 {
		t.Errorf("got %+v, %v; want nothing", lines, err)
	}
}

func TestOutcomesNameTheMostCommonFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.json")
	text := `{"metrics":{"outcomes":{"count":10},"outcomes{outcome:left}":{"count":2},"outcomes{outcome:ordered}":{"count":7},"outcomes{outcome:ghost}":{"count":0}}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := readSummary(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.outcomes(), "7 ordered, 2 left, 1 other"; got != want {
		t.Errorf("outcomes %q, want %q", got, want)
	}
}
