// Package admin is the load tests' client of the admin API and of the few
// calls of the front that a runner makes itself.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	maxAnswerBytes = 64 << 20
	callTimeout    = 30 * time.Second
)

// Client speaks to one Penstock.
type Client struct {
	ConsoleURL string
	FrontURL   string
	Key        string
	http       *http.Client
}

// New returns a client; the URLs may end in a slash.
func New(consoleURL, frontURL, key string) *Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}
	return &Client{
		ConsoleURL: strings.TrimRight(consoleURL, "/"), FrontURL: strings.TrimRight(frontURL, "/"), Key: key,
		http: &http.Client{Timeout: callTimeout, Transport: transport},
	}
}

// Refusal is an answer that is not a success.
type Refusal struct {
	Call   string
	Status int
	Body   string
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%s answered %d: %s", r.Call, r.Status, r.Body)
}

type request struct {
	method, url string
	headers     map[string]string
	body        any
	// answered, if not nil, gets the headers of the answer.
	answered func(http.Header)
}

func (c *Client) admin(ctx context.Context, method, path string, body, out any) error {
	headers := map[string]string{"Authorization": "Bearer " + c.Key, "Accept": "application/json"}
	return c.do(ctx, request{method: method, url: c.ConsoleURL + path, headers: headers, body: body}, out)
}

func (c *Client) front(ctx context.Context, method, path string, headers map[string]string, body, out any) error {
	return c.do(ctx, request{method: method, url: c.FrontURL + path, headers: headers, body: body}, out)
}

func (c *Client) do(ctx context.Context, r request, out any) error {
	var payload io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, payload)
	if err != nil {
		return err
	}
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if r.answered != nil {
		r.answered(res.Header)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return err
	}
	if res.StatusCode >= http.StatusBadRequest {
		return &Refusal{Call: r.method + " " + r.url, Status: res.StatusCode, Body: string(text[:min(len(text), 500)])}
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: %w", r.method, r.url, err)
	}
	return nil
}
