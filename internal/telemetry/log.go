// Package telemetry builds what a process says about itself: its logger, its metrics registry and
// its build information. It holds no state; main makes one of each and passes them on.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/penstock/penstock/internal/carddata"
)

// NewLogger writes to w in format "json" or "text", from level "debug", "info", "warn" or "error" up. What looks like a
// card number is not written, wherever it comes from.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var from slog.Level
	if err := from.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: use debug, info, warn or error", level)
	}
	opts := &slog.HandlerOptions{Level: from, ReplaceAttr: hideCards}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	default:
		return nil, fmt.Errorf("log format %q: use json or text", format)
	}
}

// hideCards takes card numbers out of the texts of a line, its message and its errors among them.
func hideCards(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		return hide(a, a.Value.String())
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			return hide(a, err.Error())
		}
	}
	return a
}

func hide(a slog.Attr, text string) slog.Attr {
	if hidden := carddata.Mask(text); hidden != text {
		a.Value = slog.StringValue(hidden)
	}
	return a
}
