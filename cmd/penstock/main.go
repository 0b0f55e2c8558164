// Command penstock stands in front of a shop's checkout during a drop: it meters a crowd onto a
// stock. See README.md.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	_ "time/tzdata" // the console reads times in the zones of its users, wherever it runs

	"github.com/alecthomas/kong"
)

// The exit codes.
const (
	exitFailed  = 1 // it was tried and did not work
	exitUsage   = 2 // a setting or an argument is wrong
	exitUnknown = 3 // nothing is known to be wrong, and not all of it could be measured
)

// commands is the whole command line.
type commands struct {
	Serve     serveCommand     `cmd:"" help:"Run the server."`
	Sale      saleCommand      `cmd:"" help:"Sales of a running server."`
	Stock     stockCommand     `cmd:"" help:"The stock of a sale of a running server."`
	Invites   invitesCommand   `cmd:"" help:"Invites to a sale of a running server."`
	Key       keyCommand       `cmd:"" help:"API keys of a running server."`
	Verify    verifyCommand    `cmd:"" help:"Check every invariant of a running server; exit 0 only if all hold, 3 if not all could be measured."`
	Fairness  fairnessCommand  `cmd:"" help:"How an ended sale was drawn, called and limited; exit 0 only if all of it is known and holds."`
	Shadow    shadowCommand    `cmd:"" help:"Where a shop's own stock logic differs, of a sale in shadow mode; exit 0 only if nowhere."`
	Preflight preflightCommand `cmd:"" help:"Check the settings of a running server's stores; exit 0 only if sales may be armed."`
	Migrate   migrateCommand   `cmd:"" help:"Bring the ledger's schema up to date."`
	Link      linkCommand      `cmd:"" help:"Sign a link that needs no pass, for a site with signed links."`
	Config    configCommand    `cmd:"" help:"Print every setting, its value and where it comes from."`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

// terminal is where a command reads and writes.
type terminal struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

func (c terminal) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(c.stdout, format, args...)
}

// usageError is a mistake in a setting or an argument, in one line that says what to do.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], terminal{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr})
	stop()
	os.Exit(code)
}

// run is the program without the process: it returns the exit code.
func run(ctx context.Context, args []string, out terminal) int {
	var cli commands
	exited := -1
	parser, err := kong.New(&cli,
		kong.Name("penstock"),
		kong.Description("A waiting room that knows the stock: tickets, passes, reservations and orders for a drop."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(out.stdout, out.stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(out),
	)
	if err != nil {
		return report(out, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		return report(out, usageError{err.Error()})
	}
	return report(out, parsed.Run())
}

// report prints an error in one place and turns it into the exit code.
func report(out terminal, err error) int {
	if err == nil {
		return 0
	}
	var usage usageError
	var verdict verdictError
	switch {
	case errors.As(err, &verdict): // the report has been printed already
		return cmp.Or(verdict.code, exitFailed)
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(out.stderr, "penstock: %s\n", usage.text)
		return exitUsage
	default:
		_, _ = fmt.Fprintf(out.stderr, "penstock: %v\n", err)
		return exitFailed
	}
}
