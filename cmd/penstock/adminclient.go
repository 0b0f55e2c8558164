package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/config"
)

// maxAnswerBytes bounds what the client reads of one answer.
const maxAnswerBytes = 16 << 20

// adminClient speaks to the admin API.
type adminClient struct {
	base string
	key  string
	http *http.Client
}

func newAdminClient(settings *config.Client, timeout time.Duration) (*adminClient, error) {
	key, err := settings.Key()
	if err != nil {
		return nil, usageError{err.Error()}
	}
	return &adminClient{
		base: strings.TrimRight(settings.ConsoleURL.Reveal(), "/"), key: key.Reveal(),
		http: &http.Client{Timeout: timeout},
	}, nil
}

// refusal is an answer of the admin API that is not a success.
type refusal struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (r *refusal) Error() string {
	text := r.Title
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	if r.Status == http.StatusUnauthorized {
		text += " (is PENSTOCK_ADMIN_KEY the key of this server?)"
	}
	return fmt.Sprintf("%s [%d %s]", text, r.Status, r.Code)
}

// do sends JSON and decodes the answer into out, which may be nil.
func (c *adminClient) do(ctx context.Context, method, path string, body []byte, out any) error {
	data, err := c.send(ctx, method, path, typeJSON, typeJSON, body)
	if err != nil || out == nil || len(data) == 0 {
		return err
	}
	return json.Unmarshal(data, out)
}

const (
	typeJSON = "application/json"
	typeCSV  = "text/csv"
)

// send sends one request and returns the answer; that of a refusal as well, beside the error.
func (c *adminClient) send(ctx context.Context, method, path, bodyType, accept string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Accept", accept)
	if len(body) > 0 {
		req.Header.Set("Content-Type", bodyType)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no answer from %s: %w (is the server running, and PENSTOCK_CONSOLE_URL right?)", c.base, errors.Unwrap(err))
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("the answer from %s broke off: %w", c.base, err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return data, refusalOf(res.StatusCode, data)
	}
	return data, nil
}

// printList reads a list of the admin API, and prints it as it came or for a person.
func printList(ctx context.Context, out terminal, settings *config.Client, path string, asJSON bool, show func(terminal, []byte) error) error {
	client, err := newAdminClient(settings, adminTimeout)
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := client.do(ctx, http.MethodGet, path, nil, &answer); err != nil {
		return err
	}
	if asJSON {
		out.printf("%s\n", answer)
		return nil
	}
	return show(out, answer)
}

func refusalOf(status int, data []byte) error {
	r := &refusal{Status: status, Code: "unknown", Title: http.StatusText(status)}
	if err := json.Unmarshal(data, r); err != nil {
		r.Title = "the address answered, but it is not a Penstock console"
	}
	r.Status = status
	return r
}
