package preflight

import (
	"fmt"
	"io"
)

// WriteText prints the report for a person.
func (r Report) WriteText(w io.Writer) error {
	marks := map[Verdict]string{OK: "ok    ", Warn: "warn  ", Refuse: "REFUSE"}
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(w, "%s  %-9s  %s: %s\n", marks[f.Verdict], f.Part, f.Name, f.Detail); err != nil {
			return err
		}
		if f.Advice == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "                   %s\n", f.Advice); err != nil {
			return err
		}
	}
	verdict := "sales may be armed"
	if !r.OK {
		verdict = "no sale can be armed: mend what is marked REFUSE"
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}
