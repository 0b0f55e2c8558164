package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// wrkResult is what wrk/report.lua prints.
type wrkResult struct {
	Requests   int64 `json:"requests"`
	DurationUS int64 `json:"duration_us"`
	Connect    int64 `json:"connect"`
	Read       int64 `json:"read"`
	Write      int64 `json:"write"`
	Status     int64 `json:"status"` // answers of 400 and above
	Timeout    int64 `json:"timeout"`
	P50US      int64 `json:"p50_us"`
	P99US      int64 `json:"p99_us"`
	Used       int64 `json:"used"`
	Total      int64 `json:"total"`

	GeneratorCPU time.Duration `json:"-"`
}

func (r wrkResult) perSecond() float64 {
	return float64(r.Requests) / (float64(r.DurationUS) / 1e6)
}

func findWrk() (string, error) {
	path, err := exec.LookPath("wrk")
	if err != nil {
		return "", errors.New("the load generator wrk is not installed; install it: apt-get install -y wrk (Debian, Ubuntu), brew install wrk (macOS), or https://github.com/wg/wrk")
	}
	return path, nil
}

// runWrk sends one script's requests to baseURL for a while.
func (b *bench) runWrk(ctx context.Context, script, baseURL, path string, env []string, length time.Duration) (r wrkResult, err error) {
	scripts := filepath.Join(b.root, "loadtest", "bench", "wrk")
	cmd := exec.CommandContext(ctx, b.wrk, "--threads", strconv.Itoa(b.opts.threads), "--connections", strconv.Itoa(b.opts.connections),
		"--duration", strconv.Itoa(int(length.Round(time.Second).Seconds()))+"s", "--timeout", "10s",
		"--script", filepath.Join(scripts, script), baseURL+path)
	cmd.Env = append(append(os.Environ(), env...), "WRK_DIR="+scripts, "WRK_THREADS="+strconv.Itoa(b.opts.threads), "REQUEST_PATH="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("wrk %s: %w\n%s", script, err, out)
	}
	_, line, found := bytes.Cut(out, []byte("RESULT "))
	if !found {
		return r, fmt.Errorf("wrk %s gave no result:\n%s", script, out)
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("wrk %s: %w in %s", script, err, line)
	}
	r.GeneratorCPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, r.checkTransport()
}

// checkTransport: a benchmark in which requests fail measures something else.
func (r wrkResult) checkTransport() error {
	if failures := r.Connect + r.Read + r.Write + r.Timeout; failures > 0 {
		return fmt.Errorf("%d requests failed (connect %d, read %d, write %d, timeout %d)", failures, r.Connect, r.Read, r.Write, r.Timeout)
	}
	if r.Requests == 0 {
		return errors.New("no request was answered")
	}
	if r.Used > r.Total && r.Total > 0 {
		return fmt.Errorf("%d prepared ids did not last for %d requests", r.Total, r.Used)
	}
	return nil
}
