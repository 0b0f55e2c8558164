package penstock

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// redeem exchanges a code for the pass. The error is errRefused or errUnsure.
func (g *Gate) redeem(ctx context.Context, code string) (token string, err error) {
	body, err := json.Marshal(map[string]string{"code": code})
	if err != nil {
		return "", errors.Join(errRefused, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.api+"/v1/handover", bytes.NewReader(body))
	if err != nil {
		return "", errors.Join(errUnsure, err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := g.Client.Do(request)
	if err != nil {
		return "", errors.Join(errUnsure, err)
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusGone, http.StatusNotFound:
		return "", errRefused
	default:
		return "", fmt.Errorf("%w: the code is answered %d", errUnsure, response.StatusCode)
	}
	var answer struct{ Pass string }
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswerBytes)).Decode(&answer); err != nil {
		return "", errors.Join(errUnsure, err)
	}
	return answer.Pass, nil
}

// askOnline asks whether a pass is still good where the visitor is. The error is errRefused or errUnsure.
func (g *Gate) askOnline(r *http.Request, token string) error {
	status, err := g.authorize(r.Context(), token, forwardedFor(r))
	switch {
	case err != nil:
		return errors.Join(errUnsure, err)
	case status == http.StatusNoContent:
		return nil
	case status == http.StatusUnauthorized:
		return errRefused
	default:
		return fmt.Errorf("%w: the pass is answered %d", errUnsure, status)
	}
}

// forwardedFor says for whom the shop asks, as a proxy would: Penstock may tie a pass to a network.
func forwardedFor(r *http.Request) string {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	return strings.Join(append(r.Header.Values("X-Forwarded-For"), address), ", ")
}

// authorize asks Penstock about a visitor with the pass, or about nobody.
func (g *Gate) authorize(ctx context.Context, token, visitor string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.api+"/v1/auth?sale="+url.QueryEscape(g.Sale), nil)
	if err != nil {
		return 0, err
	}
	if token != "" {
		request.Header.Set("Penstock-Pass", token)
		request.Header.Set("X-Forwarded-For", visitor)
	}
	response, err := g.Client.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// openEvery is for how long an answer to "does the sale need a pass" is kept.
const openEvery = 5 * time.Second

// openness is whether the sale is in the mode open, in which nobody needs a pass. The waiting room would
// send who comes without one straight back.
type openness struct {
	mu      sync.Mutex
	askedAt time.Time
	open    bool
}

func (g *Gate) isOpen(ctx context.Context) bool {
	now := g.now()
	g.open.mu.Lock()
	if !g.open.askedAt.IsZero() && now.Sub(g.open.askedAt) < openEvery {
		defer g.open.mu.Unlock()
		return g.open.open
	}
	g.open.askedAt = now // others go on with the last answer meanwhile
	g.open.mu.Unlock()

	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	status, err := g.authorize(bounded, "", "")
	open := err == nil && status == http.StatusNoContent
	g.open.mu.Lock()
	defer g.open.mu.Unlock()
	g.open.open = open
	return open
}
