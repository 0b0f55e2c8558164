package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/penstock/penstock/loadtest/internal/stand"
)

// room is a visitor of the waiting room.
type room struct {
	client *http.Client
	front  string // URL
	ticket string
	note   func(request)
}

// standing is what the room answers, as far as a visitor reads it.
type standing struct {
	Ticket string `json:"ticket"`
	State  string `json:"state"`
	Pass   string `json:"pass"`
	Code   string `json:"code"`

	PollAfterMillis int64 `json:"poll_after_ms"`
}

const (
	leastWait = 100 * time.Millisecond
	// busyWait is how long a visitor waits after an answer that does not say it.
	busyWait = time.Second
)

// wait takes a place in line, polls as told and claims the pass. The ending is "" with a pass.
func (r *room) wait(ctx context.Context) (pass string, ended ending) {
	for {
		answer, wait, ended := r.step(ctx)
		switch {
		case ended != "":
			return "", ended
		case answer.Pass != "":
			return answer.Pass, ""
		}
		if !stand.Pause(ctx, max(wait, leastWait)) {
			return "", stillThere
		}
	}
}

// step is the next call: join, or look, and claim when called. Wait says when to come again.
func (r *room) step(ctx context.Context) (answer standing, wait time.Duration, ended ending) {
	method, path := http.MethodGet, "/ticket"
	if r.ticket == "" {
		method, path = http.MethodPost, "/tickets"
	}
	answer, wait, ended = r.ask(ctx, method, path)
	if r.ticket == "" {
		r.ticket = answer.Ticket
	}
	if ended != "" {
		return answer, wait, ended
	}
	switch answer.State {
	case "called", "admitted":
		return r.ask(ctx, http.MethodPost, "/passes")
	case "sold_out", "ended":
		return answer, 0, soldOut
	case "missed":
		return answer, 0, refused
	default:
		return answer, wait, ""
	}
}

// ask is one call. Answers that say "not now" are no ending: the visitor waits and comes again.
func (r *room) ask(ctx context.Context, method, path string) (answer standing, wait time.Duration, ended ending) {
	req, err := http.NewRequestWithContext(ctx, method, r.front+"/v1/sales/"+saleID+path, http.NoBody)
	if err != nil {
		return answer, 0, brokenOff
	}
	if r.ticket != "" {
		req.Header.Set("Penstock-Ticket", r.ticket)
	}
	began := time.Now()
	res, err := r.client.Do(req)
	if err != nil {
		ended = endingOf(ctx, 0, nil, err)
		r.note(request{took: time.Since(began), ending: ended})
		return answer, 0, ended
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	ended = endingOf(ctx, res.StatusCode, text, err)
	r.note(request{took: time.Since(began), status: res.StatusCode, ending: ended})
	if err == nil && json.Unmarshal(text, &answer) != nil {
		return answer, 0, refused
	}
	wait = time.Duration(answer.PollAfterMillis) * time.Millisecond
	if answer.Code == "not_called" || res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusTooManyRequests {
		if wait == 0 {
			wait = busyWait
		}
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
			wait = max(wait, time.Duration(seconds)*time.Second)
		}
		return answer, wait, ""
	}
	return answer, wait, ended
}
