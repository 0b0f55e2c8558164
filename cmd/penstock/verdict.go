package main

import (
	"encoding/json"
	"io"
)

// verdictError ends the program with a failure that has been printed already.
type verdictError struct {
	code int // of the exit; 0 is exitFailed
}

func (verdictError) Error() string { return "the report says no" }

// textReport is the answer of a command that passes a verdict.
type textReport interface {
	WriteText(w io.Writer) error
}

// printReport prints a report, and fails when its verdict is not OK.
func printReport(out terminal, r textReport, asJSON, ok bool) error {
	var err error
	if asJSON {
		encoder := json.NewEncoder(out.stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(r)
	} else {
		err = r.WriteText(out.stdout)
	}
	if err == nil && !ok {
		return verdictError{}
	}
	return err
}
