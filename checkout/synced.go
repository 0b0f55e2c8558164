package checkout

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Synced tells whether the server fsyncs a message before it acknowledges it.
type Synced string

// What can be known about it.
const (
	SyncedYes     Synced = "yes"
	SyncedNo      Synced = "no"
	SyncedUnknown Synced = "unknown"
)

const (
	monitorTimeout  = 3 * time.Second
	maxMonitorBytes = 4 << 20
)

// Synced reads the server's sync setting from its monitoring endpoint (/varz). Without one
// configured it answers what WithSynced told, or unknown: clients cannot ask a server otherwise.
// The server's default, an fsync every two minutes, is a no.
func (b *Broker) Synced(ctx context.Context) (Synced, error) {
	if b.opts.monitorURL == "" {
		return b.opts.synced, nil
	}
	ctx, cancel := context.WithTimeout(ctx, monitorTimeout)
	defer cancel()
	body, err := readMonitor(ctx, b.opts.monitorURL)
	if err != nil {
		return SyncedUnknown, err
	}
	var varz struct {
		JetStream struct {
			Config *struct {
				SyncAlways bool `json:"sync_always"`
			} `json:"config"`
		} `json:"jetstream"`
	}
	if err := json.Unmarshal(body, &varz); err != nil || varz.JetStream.Config == nil {
		return SyncedUnknown, fmt.Errorf("nats monitoring at %s: no JetStream configuration in /varz", redact(b.opts.monitorURL))
	}
	if varz.JetStream.Config.SyncAlways {
		return SyncedYes, nil
	}
	return SyncedNo, nil
}

// monitorClient keeps no connection: the endpoint is asked once in a while.
func monitorClient() *http.Client {
	return &http.Client{Timeout: monitorTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
}

func readMonitor(ctx context.Context, monitorURL string) ([]byte, error) {
	where := redact(monitorURL)
	u, err := url.Parse(strings.TrimSuffix(monitorURL, "/") + "/varz")
	if err != nil {
		return nil, fmt.Errorf("nats monitoring at %s: not a URL", where)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("nats monitoring at %s: %w", where, err)
	}
	resp, err := monitorClient().Do(req)
	if err != nil {
		return nil, fmt.Errorf("nats monitoring at %s cannot be reached: %w", where, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("nats monitoring at %s: %s", where, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxMonitorBytes))
}
