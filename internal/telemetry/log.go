// Package telemetry builds what a process says about itself: its logger, its metrics registry and
// its build information. It holds no state; main makes one of each and passes them on.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
)

// NewLogger writes to w in format "json" or "text", from level "debug", "info", "warn" or "error" up.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var from slog.Level
	if err := from.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: use debug, info, warn or error", level)
	}
	opts := &slog.HandlerOptions{Level: from}
	switch format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	case "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	default:
		return nil, fmt.Errorf("log format %q: use json or text", format)
	}
}
