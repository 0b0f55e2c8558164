package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what the benchmark writes as JSON.
type report struct {
	At      time.Time    `json:"at"`
	Machine machine      `json:"machine"`
	Setup   setup        `json:"setup"`
	Rows    []result     `json:"rows"`
	Drain   *drainResult `json:"drain,omitempty"`
}

type machine struct {
	CPUs   int    `json:"cpus"`
	OS     string `json:"os"`
	Go     string `json:"go"`
	Kernel string `json:"kernel,omitempty"`
}

type setup struct {
	SecondsEach float64 `json:"seconds_each"`
	Rounds      int     `json:"rounds"`
	Connections int     `json:"connections"`
	Threads     int     `json:"threads"`
	Durability  string  `json:"durability"` // "" = the server's default
}

const (
	mostRedisPerPoll = 0.01 // background reads come at irregular times; a real command a poll would be 1
	leastDrainRatio  = 20
)

// promisesKept checks what does not depend on the machine.
func (b *bench) promisesKept() error {
	var broken []error
	for _, row := range b.results {
		if row.RedisPerOperation != nil && *row.RedisPerOperation > mostRedisPerPoll {
			broken = append(broken, fmt.Errorf("a poll (%s) costs Redis %.3f commands; it must cost none", row.Stand, *row.RedisPerOperation))
		}
	}
	if b.drain != nil && b.drain.Ratio < leastDrainRatio {
		broken = append(broken, fmt.Errorf("draining in batches is only %.1f times as fast as one by one; want %d", b.drain.Ratio, leastDrainRatio))
	}
	return errors.Join(broken...)
}

// writeReport prints the table and leaves it in reports/, as Markdown and JSON.
func (b *bench) writeReport() error {
	now := time.Now().UTC()
	r := report{
		At:      now,
		Machine: machine{CPUs: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version(), Kernel: kernel()},
		Setup: setup{
			SecondsEach: b.opts.length.Seconds(), Rounds: b.opts.rounds, Connections: b.opts.connections,
			Threads: b.opts.threads, Durability: b.opts.durability,
		},
		Rows: b.results, Drain: b.drain,
	}
	text := r.markdown()
	b.printf("\n%s", text)
	dir := filepath.Join(b.root, "reports")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	stem := filepath.Join(dir, "bench-"+now.Format("20060102-150405"))
	if err := os.WriteFile(stem+".md", []byte(text), 0o600); err != nil {
		return err
	}
	encoded, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	b.printf("\nwritten to %s.md and .json\n", stem)
	return os.WriteFile(stem+".json", append(encoded, '\n'), 0o600)
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (r *report) markdown() string {
	var t strings.Builder
	fmt.Fprintf(&t, "# Benchmark, %s\n\n", r.At.Format(time.RFC3339))
	fmt.Fprintf(&t, "%d CPUs, %s, %s, kernel %s; %g s × %d rounds, %d connections, %d generator thread(s), the generator on the same machine.\n",
		r.Machine.CPUs, r.Machine.OS, r.Machine.Go, r.Machine.Kernel, r.Setup.SecondsEach, r.Setup.Rounds, r.Setup.Connections, r.Setup.Threads)
	fmt.Fprintf(&t, "Medians. CPU: µs an operation over all our processes; hello: bare fasthttp under the same requests, taking turns with the row.\n\n")
	r.writeRows(&t)
	r.writeNotes(&t)
	return t.String()
}

func (r *report) writeRows(t *strings.Builder) {
	if len(r.Rows) == 0 {
		return
	}
	fmt.Fprintf(t, "| stand | row | per second | p50 ms | p99 ms | CPU µs/op | of it | hello/s | × hello/s | hello CPU µs | × hello CPU | generator µs/op |\n")
	fmt.Fprintf(t, "|---|---|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|\n")
	for _, row := range r.Rows {
		fmt.Fprintf(t, "| %s | %s | %.0f | %.2f | %.2f | %.1f | %s | %.0f | %.2f | %.1f | %.1f | %.1f |\n",
			row.Stand, row.Row, row.PerSecond, row.P50Millis, row.P99Millis, row.CPUMicros, byProcess(row.CPUBy),
			row.HelloPerS, row.RateRatio, row.HelloCPU, row.CPURatio, row.GeneratorCPU)
	}
}

func byProcess(cpu map[string]float64) string {
	var names []string
	for name := range cpu {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(cpu[b]*1000) - int(cpu[a]*1000) })
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%s %.1f", name, cpu[name])
	}
	return strings.Join(parts, ", ")
}

func (r *report) writeNotes(t *strings.Builder) {
	fmt.Fprintln(t)
	for _, row := range r.Rows {
		if row.RedisPerOperation != nil {
			fmt.Fprintf(t, "- Redis commands per %s (%s), beyond what idle snapshots take: %.4f\n", row.Row, row.Stand, max(0, *row.RedisPerOperation))
		}
		if row.SettledMillis > 0 {
			fmt.Fprintf(t, "- %s (%s): the last order was in the ledger %d ms after the last answer; CPU is counted until then\n", row.Row, row.Stand, row.SettledMillis)
		}
	}
	if d := r.Drain; d != nil {
		fmt.Fprintf(t, "- drain into Postgres: %.0f orders/s in batches of %d (%.1f CPU µs an order), %.0f orders/s one by one (%.0f CPU µs): × %.1f\n",
			d.BatchPerSecond, d.Batch, d.BatchCPUMicros, d.RowPerSecond, d.RowCPUMicros, d.Ratio)
	}
}
