package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

const (
	eventEvery = time.Second
	// eventTimeout is how long a browser may take to accept one event.
	eventTimeout = 5 * time.Second
	// streamLife ends a stream so that the session is checked anew: browsers reconnect by themselves.
	streamLife = 10 * time.Minute
	// reconnectMillis is how long browsers wait before they do.
	reconnectMillis = 2000
)

// liveFigures is one look at the figures, for browsers that cannot have a stream.
func (c *Console) liveFigures(w http.ResponseWriter, r *http.Request, _ visit) error {
	view, err := c.live.of(r.Context(), r.PathValue("sale"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, view)
}

// liveStream sends the figures each second as server-sent events, until the browser leaves, the
// console closes or the stream has lived its time.
func (c *Console) liveStream(w http.ResponseWriter, r *http.Request, _ visit) error {
	if !c.streams.take() {
		return problem.Retry(problem.Overloaded, "too many live views", 5)
	}
	defer c.streams.give()
	saleID := r.PathValue("sale")
	if _, err := c.live.of(r.Context(), saleID); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold the events back
	w.WriteHeader(http.StatusOK)
	s := &eventStream{w: w, controller: http.NewResponseController(w)}
	s.send("retry: %d\n\n", reconnectMillis)
	c.feed(s, r, saleID)
	return nil
}

func (c *Console) feed(s *eventStream, r *http.Request, saleID string) {
	tick := time.NewTicker(eventEvery)
	defer tick.Stop()
	life := time.NewTimer(streamLife)
	defer life.Stop()
	for {
		s.sendFigures(c, r, saleID)
		if s.failed {
			return
		}
		select {
		case <-tick.C:
		case <-life.C:
			return
		case <-r.Context().Done():
			return
		case <-c.streams.done:
			return
		}
	}
}

// eventStream writes events, each with a deadline of its own: the server's deadline for a whole
// answer would cut the stream, and no deadline would let a stalled browser hold it for ever.
type eventStream struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	failed     bool
}

func (s *eventStream) sendFigures(c *Console, r *http.Request, saleID string) {
	view, err := c.live.of(r.Context(), saleID)
	if err != nil {
		s.send("event: trouble\ndata: {}\n\n")
		return
	}
	data, err := json.Marshal(view)
	if err != nil {
		c.deps.Log.ErrorContext(r.Context(), "live figures cannot be written", "sale", saleID, "error", err)
		s.failed = true
		return
	}
	s.send("event: figures\ndata: %s\n\n", data)
}

func (s *eventStream) send(format string, args ...any) {
	if s.failed {
		return
	}
	// Writers without deadlines (in tests) return an error here that does not matter.
	_ = s.controller.SetWriteDeadline(time.Now().Add(eventTimeout))
	if _, err := fmt.Fprintf(s.w, format, args...); err != nil {
		s.failed = true
		return
	}
	s.failed = s.controller.Flush() != nil
}
