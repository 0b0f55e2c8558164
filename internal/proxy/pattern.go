package proxy

import (
	"fmt"
	"regexp"
	"strings"
)

// maxPatternBytes bounds a path or a glob of a rule.
const maxPatternBytes = 512

// pattern is the path of a rule. A rule that protects covers whatever begins with it, in any case of letters,
// as servers may know a page under longer names (/checkout.json) or ignore case. A rule that opens covers
// exactly what it says, and what lies below it.
type pattern struct {
	prefix string         // without a slash at its end; "" covers everything
	glob   *regexp.Regexp // nil when the pattern is a prefix
}

// newPrefix compiles a path such as /checkout. The error says what is wrong with it.
func newPrefix(path string) (pattern, error) {
	if err := checkPattern(path); err != nil {
		return pattern{}, err
	}
	return pattern{prefix: strings.TrimRight(path, "/")}, nil
}

const (
	inAnyCase = "(?i)"
	toItsEnd  = "/?$"
	asWritten = ""
	andBeyond = ""
)

// newGlob compiles the glob of a rule.
func newGlob(glob string, protects bool) (pattern, error) {
	if protects {
		return compileGlob(glob, inAnyCase, andBeyond)
	}
	return compileGlob(glob, asWritten, toItsEnd)
}

// newCallGlob compiles the path of a call that is looked at: all of it, in any case of letters, as the shop may
// ignore case.
func newCallGlob(glob string) (pattern, error) { return compileGlob(glob, inAnyCase, toItsEnd) }

// compileGlob compiles a path in which * stands for anything within a segment, and ** for any segments.
func compileGlob(glob, letters, end string) (pattern, error) {
	if err := checkPattern(glob); err != nil {
		return pattern{}, err
	}
	var expression strings.Builder
	expression.WriteString(letters + "^")
	for rest := strings.TrimRight(glob, "/"); rest != ""; {
		switch {
		case strings.HasPrefix(rest, "/**/"):
			expression.WriteString("/(?:.*/)?")
			rest = rest[len("/**/"):]
		case strings.HasPrefix(rest, "**"):
			expression.WriteString(".*")
			rest = rest[len("**"):]
		case strings.HasPrefix(rest, "*"):
			expression.WriteString("[^/]*")
			rest = rest[len("*"):]
		default:
			literal := rest
			if next := strings.IndexAny(rest[1:], "*/"); next >= 0 {
				literal = rest[:1+next]
			}
			expression.WriteString(regexp.QuoteMeta(literal))
			rest = rest[len(literal):]
		}
	}
	expression.WriteString(end)
	compiled, err := regexp.Compile(expression.String())
	if err != nil {
		return pattern{}, fmt.Errorf("%q is not a glob: %w", glob, err)
	}
	return pattern{glob: compiled}, nil
}

// checkPattern makes sure that a pattern can match a reading of a path.
func checkPattern(path string) error {
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("%q does not begin with a slash", path)
	}
	if len(path) > maxPatternBytes {
		return fmt.Errorf("it is longer than %d bytes", maxPatternBytes)
	}
	if strings.ContainsAny(path, `\%;?#`) || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%q: write it decoded, without escapes, parameters, query and backslashes", path)
	}
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if segment == "" && strings.Trim(path, "/") != "" {
			return fmt.Errorf("%q has an empty segment", path)
		}
		if strings.TrimRight(segment, ". ") != segment {
			return fmt.Errorf("%q has a segment that ends with a dot or a space", path)
		}
	}
	return nil
}

// covers reports whether a reading of a path is meant by the pattern of a rule that protects.
func (p pattern) covers(path []byte) bool {
	if p.glob != nil {
		return p.glob.Match(path)
	}
	return len(path) >= len(p.prefix) && strings.EqualFold(string(path[:len(p.prefix)]), p.prefix)
}

// isExactly reports whether a reading of a path is meant by the pattern of a rule that opens.
func (p pattern) isExactly(path []byte) bool {
	if p.glob != nil {
		return p.glob.Match(path)
	}
	return len(path) >= len(p.prefix) && string(path[:len(p.prefix)]) == p.prefix &&
		(len(path) == len(p.prefix) || path[len(p.prefix)] == '/')
}
