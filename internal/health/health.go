// Package health says what a process can do at the moment: whether it should get traffic, and how
// each part that it stands on is doing.
package health

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"
)

const (
	// askEvery is the time between two questions to a part.
	askEvery = 2 * time.Second
	// askTimeout is how long a part may take for its answer.
	askTimeout = time.Second
)

// Part is how one part is doing. Detail says why it is not OK.
type Part struct {
	Name   string
	OK     bool
	Detail string
}

// Parts are in the order in which people should read them.
type Parts []Part

// MarshalJSON writes {"name":{"ok":true},"other":{"ok":false,"detail":"…"}}, in the order given.
func (p Parts) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, part := range p {
		name, err := json.Marshal(part.Name)
		if err != nil {
			return nil, err
		}
		state, err := json.Marshal(struct {
			OK     bool   `json:"ok"`
			Detail string `json:"detail,omitempty"`
		}{part.OK, part.Detail})
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), state...)
	}
	return append(out, '}'), nil
}

// Readiness is the answer of a readiness probe.
type Readiness struct {
	// Reason says why the process should get no traffic; "" means that it should.
	Reason string
	// Parts may be in trouble without making the process unready: it does what it can without them.
	Parts Parts
}

// MarshalJSON writes {"status":"ready","parts":{…}}; the status is "unready" when there is a reason
// against traffic, which is then the member "detail".
func (r Readiness) MarshalJSON() ([]byte, error) {
	status := "ready"
	if r.Reason != "" {
		status = "unready"
	}
	return json.Marshal(struct {
		Status string `json:"status"`
		Detail string `json:"detail,omitempty"`
		Parts  Parts  `json:"parts"`
	}{status, r.Reason, r.Parts})
}

// Check asks one part how it is doing. Its context ends after a second.
type Check struct {
	Name string
	Ask  func(ctx context.Context) error
}

// Watch asks every part again and again, so that a probe is answered from memory at once: a store
// that hangs must not make the probe hang.
type Watch struct {
	checks []Check

	mu    sync.Mutex
	parts Parts
}

// NewWatch returns a watch that has asked nobody yet.
func NewWatch(checks ...Check) *Watch {
	w := &Watch{checks: checks, parts: make(Parts, len(checks))}
	for i, check := range checks {
		w.parts[i] = Part{Name: check.Name, Detail: "not asked yet"}
	}
	return w
}

// Run asks until ctx ends. Each part is asked by itself, so that none waits for another.
func (w *Watch) Run(ctx context.Context) error {
	var asking sync.WaitGroup
	for i := range w.checks {
		asking.Go(func() { w.follow(ctx, i) })
	}
	asking.Wait()
	return nil
}

func (w *Watch) follow(ctx context.Context, i int) {
	pace := time.NewTimer(askEvery)
	defer pace.Stop()
	for {
		w.ask(ctx, i)
		pace.Reset(askEvery)
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
	}
}

func (w *Watch) ask(ctx context.Context, i int) {
	bounded, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := w.checks[i].Ask(bounded)
	part := Part{Name: w.checks[i].Name, OK: err == nil}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		part.Detail = "does not answer within " + askTimeout.String()
	case err != nil:
		part.Detail = err.Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[i] = part
}

// Parts returns what the parts said last.
func (w *Watch) Parts() Parts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(Parts(nil), w.parts...)
}
