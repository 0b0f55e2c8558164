package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	relativeLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading      = regexp.MustCompile(`(?m)^#+ (.*)$`)
	inlineMake   = regexp.MustCompile("`make ([a-z-]+)[^`]*`")
	makeTarget   = regexp.MustCompile(`(?m)^([a-z-]+):`)
)

// anchorsOf are the headings of a page in the form that links have.
func anchorsOf(t *testing.T, page string) map[string]bool {
	t.Helper()
	anchors := map[string]bool{}
	for _, found := range heading.FindAllStringSubmatch(readText(t, page), -1) {
		kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(found[1]), "")
		anchors["#"+strings.ReplaceAll(kept, " ", "-")] = true
	}
	return anchors
}

func TestTheLinksOfTheDocumentsLeadSomewhere(t *testing.T) {
	pages := pagesWithCommands(t)
	more, err := filepath.Glob("../../connectors/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(append(pages, more...), "../../connectors/README.md", "../../loadtest/README.md") {
		for _, found := range relativeLink.FindAllStringSubmatch(readText(t, page), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			path, anchor, hasAnchor := strings.Cut(found[1], "#")
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", page, found[1])
			} else if hasAnchor && !anchorsOf(t, target)["#"+anchor] {
				t.Errorf("%s links to %s, and there is no such heading", page, found[1])
			}
		}
	}
}

func TestTheDocumentsNameTargetsThatMakeKnows(t *testing.T) {
	known := map[string]bool{}
	for _, found := range makeTarget.FindAllStringSubmatch(readText(t, "../../Makefile"), -1) {
		known[found[1]] = true
	}
	for _, page := range pagesWithCommands(t) {
		for _, found := range inlineMake.FindAllStringSubmatch(readText(t, page), -1) {
			if !known[found[1]] {
				t.Errorf("%s names `make %s`, which make does not know", page, found[1])
			}
		}
	}
}
