package redis

import "strings"

// InfoFields reads the lines name:value of an answer to INFO, or to CLUSTER INFO.
func InfoFields(text string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			fields[name] = value
		}
	}
	return fields
}
