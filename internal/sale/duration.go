package sale

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a time.Duration that is written "10m" in a document.
type Duration time.Duration

// Std returns the standard form.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes the duration without zero parts: "10m", not "10m0s".
func (d Duration) String() string {
	text := time.Duration(d).String()
	if n := len(text); n > 2 && text[n-2:] == "0s" && text[n-3] == 'm' {
		text = text[:n-2]
	}
	if n := len(text); n > 2 && text[n-2:] == "0m" && text[n-3] == 'h' {
		text = text[:n-2]
	}
	return text
}

// MarshalJSON writes the duration as a string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads a string such as "90s" or "1h30m".
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf(`a duration is a string such as "10m", not %s`, data)
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`%q is not a duration such as "10m"`, text)
	}
	*d = Duration(parsed)
	return nil
}
