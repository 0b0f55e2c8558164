package main

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// matcher reports whether a rule matches a path.
type matcher func(path string) bool

var ruleTerm = regexp.MustCompile("^(PathPrefix|PathRegexp|Path)\\(`([^`]*)`\\)$")

// readRule reads Path, PathPrefix and PathRegexp, joined by ||.
func readRule(rule string) (matcher, error) {
	var any []matcher
	for term := range strings.SplitSeq(rule, "||") {
		parts := ruleTerm.FindStringSubmatch(strings.TrimSpace(term))
		if parts == nil {
			return nil, fmt.Errorf("the rule %s is not known here", term)
		}
		kind, value := parts[1], parts[2]
		switch kind {
		case "Path":
			any = append(any, func(path string) bool { return path == value })
		case "PathPrefix":
			any = append(any, func(path string) bool { return strings.HasPrefix(path, value) })
		case "PathRegexp":
			expression, err := regexp.Compile(value)
			if err != nil {
				return nil, err
			}
			any = append(any, expression.MatchString)
		}
	}
	return func(path string) bool {
		for _, one := range any {
			if one(path) {
				return true
			}
		}
		return false
	}, nil
}

// routingPath is the path that rules are compared with: all is decoded but the reserved characters and the
// percent sign.
func routingPath(r *http.Request) string {
	escaped := r.URL.EscapedPath()
	var b strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '%' || i+2 >= len(escaped) {
			b.WriteByte(escaped[i])
			continue
		}
		escape := escaped[i : i+3]
		if plain, err := url.PathUnescape(escape); err == nil && !strings.Contains(":/?#[]@!$&'()*+,;=%", plain) {
			b.WriteString(plain)
		} else {
			b.WriteString(escape)
		}
		i += 2
	}
	return b.String()
}
