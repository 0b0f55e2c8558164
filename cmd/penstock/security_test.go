package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	testName = regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")
	testFunc = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
)

// testsOfTheRepository are the names of all Go tests, whatever their build tags.
func testsOfTheRepository(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range testFunc.FindAllStringSubmatch(string(text), -1) {
			names[found[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestEveryThreatNamesATestThatExists reads the table of docs/security.md: each row names a test or more.
func TestEveryThreatNamesATestThatExists(t *testing.T) {
	_, rest, found := strings.Cut(readText(t, "../../docs/security.md"), "\n## Threats\n")
	table, _, ended := strings.Cut(rest, "\n## ")
	if !found || !ended {
		t.Fatal("docs/security.md has no list of threats")
	}
	there, threats := testsOfTheRepository(t), 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| threat ") {
			continue
		}
		threats++
		named := testName.FindAllStringSubmatch(line, -1)
		if len(named) == 0 {
			t.Errorf("no test is named: %s", line)
		}
		for _, name := range named {
			if !there[name[1]] {
				t.Errorf("there is no test %s", name[1])
			}
		}
	}
	if threats < 20 {
		t.Fatalf("only %d threats were read", threats)
	}
}
