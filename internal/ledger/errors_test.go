package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/penstock/penstock/internal/problem"
)

func TestErrorsMeanRefusalOutageOrNeither(t *testing.T) {
	state := func(code string) error { return fmt.Errorf("commit: %w", &pgconn.PgError{Code: code}) }
	for name, tc := range map[string]struct {
		err               error
		permanent, outage bool
	}{
		"check violation":      {state("23514"), true, false},
		"malformed text":       {state("22021"), true, false},
		"deadlock":             {state("40P01"), false, true},
		"serialization":        {state("40001"), false, true},
		"too many connections": {state("53300"), false, true},
		"disk full":            {state("53100"), false, true},
		"admin shutdown":       {state("57P01"), false, true},
		"statement timeout":    {state("57014"), false, true},
		"standby, read only":   {state("25006"), false, true},
		"table missing":        {state("42P01"), false, false}, // a person mends that; orders wait
		"permission denied":    {state("42501"), false, false},
		"connection broke":     {io.ErrUnexpectedEOF, false, true},
		"network":              {&net.OpError{Op: "read", Err: errors.New("reset")}, false, true},
		"deadline":             {context.DeadlineExceeded, false, true},
		"a refusal":            {problem.With(problem.Conflict, "changed"), true, false},
		"an outage, as code":   {problem.Unavailable, false, true},
		"an error of our own":  {errors.New("bug"), false, false},
		"an internal error":    {problem.InternalError, false, false},
		"a refused order":      {refused("no item"), true, false},
		"no error":             {nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := classify(t.Context(), tc.err)
			if IsPermanent(got) != tc.permanent || errors.Is(got, problem.Unavailable) != tc.outage {
				t.Errorf("permanent %v, outage %v: %v", IsPermanent(got), errors.Is(got, problem.Unavailable), got)
			}
			if tc.err != nil && !errors.Is(got, tc.err) {
				t.Errorf("the cause is lost in %v", got)
			}
		})
	}
}
