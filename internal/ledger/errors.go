package ledger

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/penstock/penstock/internal/problem"
)

// ErrConstraint says that the database refuses the data themselves: a
// constraint of the schema, or values it cannot hold. Trying again cannot help.
var ErrConstraint = errors.New("the ledger refuses it")

// IsPermanent reports whether no later attempt with the same data can succeed:
// a constraint, malformed data, or a refusal such as problem.Conflict. What is
// not known to be permanent is worth another attempt.
func IsPermanent(err error) bool {
	if errors.Is(err, ErrConstraint) {
		return true
	}
	var code problem.Code
	if !errors.As(err, &code) {
		return false
	}
	return code != problem.Unavailable && code != problem.InternalError
}

// failure is a database error with what it means to the caller.
type failure struct {
	meaning error // ErrConstraint or problem.Unavailable
	cause   error
}

func (f *failure) Error() string {
	if errors.Is(f.meaning, ErrConstraint) {
		return "ledger: refused: " + oneLine(f.cause).Error()
	}
	return "ledger: not available: " + oneLine(f.cause).Error()
}

func (f *failure) Unwrap() []error { return []error{f.meaning, f.cause} }

func refused(format string, args ...any) error {
	return &failure{meaning: ErrConstraint, cause: fmt.Errorf(format, args...)}
}

// classify gives a database error its meaning. Errors that it does not know
// stay as they are: neither permanent nor an outage, but a fault of ours.
func classify(ctx context.Context, err error) error {
	var already *failure
	var code problem.Code
	switch {
	case err == nil:
		return nil
	case errors.As(err, &already), errors.As(err, &code):
		return err
	case refusesData(err):
		return &failure{meaning: ErrConstraint, cause: err}
	case isOutage(err), ctx.Err() != nil:
		return &failure{meaning: problem.Unavailable, cause: err}
	default:
		return fmt.Errorf("ledger: %w", err)
	}
}

// refusesData looks for SQLSTATE classes 22 (data exception) and 23 (integrity
// constraint violation), and for SQLite's counterparts.
func refusesData(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return class(pg) == "22" || class(pg) == "23"
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		switch primaryCode(lite) {
		case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG:
			return true
		}
	}
	return false
}

// isOutage looks for what passes: SQLSTATE classes 08 (connection), 40
// (rolled back, e.g. a deadlock), 53 (resources), 55 (lock), 57 (shutdown,
// cancellation) and 58 (system), connections that break, and a busy file.
func isOutage(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch class(pg) {
		case "08", "25", "40", "53", "55", "57", "58":
			return true
		}
		return false
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		switch primaryCode(lite) {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT,
			sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
			return true
		}
		return false
	}
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, pgconn.ErrConnClosed) || pgconn.SafeToRetry(err)
}

// class is the first two characters of an SQLSTATE; see appendix A of the
// PostgreSQL manual.
func class(pg *pgconn.PgError) string {
	if len(pg.Code) < 2 {
		return ""
	}
	return pg.Code[:2]
}

// primaryCode strips the detail from SQLite's extended result code.
func primaryCode(err *sqlite.Error) int { return err.Code() & 0xff }
