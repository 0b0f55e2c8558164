package proxy

import (
	"context"
	"net/http"
	"time"
)

// check asks a server of the shop whether it is well, as a site is configured to.
type check struct {
	server  *server
	url     string
	host    string
	timeout time.Duration
	every   time.Duration
	client  *http.Client
}

// newCheck prepares the checks of one server. Redirects are not followed: they are an answer.
func newCheck(s *server, url, host string, every, timeout time.Duration) *check {
	return &check{
		server: s, url: url, host: host, every: every, timeout: timeout,
		client: &http.Client{
			Transport:     &http.Transport{TLSClientConfig: s.tls, DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// run checks until ctx ends. Changed is told when the answer is another one than before.
func (c *check) run(ctx context.Context, changed func(s *server, well bool, err error)) {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for {
		err := c.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if sick := err != nil; c.server.sick.Swap(sick) != sick {
			changed(c.server, !sick, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *check) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, http.NoBody)
	if err != nil {
		return err
	}
	if c.host != "" {
		request.Host = c.host
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return errUnwell{response.Status}
	}
	return nil
}

// errUnwell is a health check that was answered with an error.
type errUnwell struct{ status string }

func (e errUnwell) Error() string { return "the health check answers " + e.status }
