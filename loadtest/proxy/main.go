// Command proxy compares Penstock as a reverse proxy with nginx on this machine: the same upstream, the same load,
// in turns, with as many workers as there are cores.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/loadtest/internal/stand"
)

// options are the flags.
type options struct {
	connections int
	length      time.Duration
	rounds      int
	bytes       int
}

// candidate is a server that is measured.
type candidate struct {
	name    string
	url     string
	process *stand.Process
}

// figure is one round of a candidate.
type figure struct {
	perSecond float64
	cpuMicros float64 // of the candidate's processes, for each request
	p99       string
}

func main() {
	var o options
	flag.IntVar(&o.connections, "connections", 64, "connections of the load generator")
	flag.DurationVar(&o.length, "length", 5*time.Second, "of each round")
	flag.IntVar(&o.rounds, "rounds", 5, "of each server, in turns")
	flag.IntVar(&o.bytes, "bytes", 0, "size of the answers; 0 means a short text")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "proxy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	for _, program := range []string{"wrk", "nginx"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%s is not installed; on Debian: apt-get install -y wrk nginx-light", program)
		}
	}
	root, err := stand.Root()
	if err != nil {
		return err
	}
	dir, err := stand.TempDir()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	candidates, err := start(ctx, root, dir, o)
	defer func() {
		for _, c := range candidates {
			_ = c.process.Stop()
		}
	}()
	if err != nil {
		return err
	}
	figures := map[string][]figure{}
	for round := range o.rounds {
		for _, c := range candidates {
			f, err := measure(ctx, c, o)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Printf("round %d  %-9s %8.0f/s  %6.1f µs CPU  p99 %s\n", round+1, c.name, f.perSecond, f.cpuMicros, f.p99)
			figures[c.name] = append(figures[c.name], f)
		}
	}
	report(figures)
	return nil
}

// start starts the upstream, nginx and Penstock in front of it. What was started is returned even with an error.
func start(ctx context.Context, root, dir string, o options) (started []candidate, err error) {
	for _, pkg := range []string{"./cmd/penstock", "./loadtest/proxy/upstream"} {
		if err := stand.Build(ctx, root, pkg, filepath.Join(dir, filepath.Base(pkg))); err != nil {
			return nil, err
		}
	}
	addresses := make([]string, 4)
	for i := range addresses {
		if addresses[i], err = stand.FreeAddress(); err != nil {
			return nil, err
		}
	}
	upstream, nginx, front, console := addresses[0], addresses[1], addresses[2], addresses[3]
	configuration := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(configuration, []byte(nginxConf(dir, nginx, upstream)), 0o600); err != nil {
		return nil, err
	}
	for _, c := range []candidate{
		{name: "upstream", url: "http://" + upstream, process: &stand.Process{Program: filepath.Join(dir, "upstream"), Args: []string{upstream, strconv.Itoa(o.bytes)}}},
		{name: "nginx", url: "http://" + nginx, process: &stand.Process{Program: "nginx", Args: []string{"-c", configuration, "-p", dir}}},
		{name: "penstock", url: "http://" + front, process: &stand.Process{Program: filepath.Join(dir, "penstock"), Args: []string{
			"serve", "--upstream", "http://" + upstream, "--protect", "/checkout=none", "--listen", front, "--console-listen", console,
			"--data-dir", filepath.Join(dir, "data"), "--log-level", "error",
		}}},
	} {
		c.process.Name, c.process.LogPath, c.process.Env = c.name, filepath.Join(dir, c.name+".log"), os.Environ()
		c.process.Ready = func(ctx context.Context) error { return stand.AnswersOK(ctx, c.url+"/") }
		if err := c.process.Start(ctx); err != nil {
			return started, err
		}
		started = append(started, c)
	}
	return started, nil
}

func nginxConf(dir, listen, upstream string) string {
	return fmt.Sprintf(`daemon off;
worker_processes %d;
pid %s/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 10000000;
	client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
	upstream shop { server %[3]s; keepalive 256; keepalive_requests 10000000; }
	server {
		listen %[4]s;
		location / {
			proxy_pass http://shop;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_set_header X-Forwarded-Proto $scheme;
			proxy_set_header X-Forwarded-Host $host;
		}
	}
}
`, runtime.NumCPU(), dir, upstream, listen)
}

// measure loads one server for a round.
func measure(ctx context.Context, c candidate, o options) (f figure, err error) {
	before, err := testenv.CPUTimeOfTree(c.process.PID())
	if err != nil {
		return f, err
	}
	out, err := exec.CommandContext(ctx, "wrk", "--threads", "1", "--connections", strconv.Itoa(o.connections), "--latency",
		"--duration", strconv.Itoa(int(o.length.Seconds()))+"s", c.url+"/shoes?size=42").CombinedOutput()
	if err != nil {
		return f, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	after, err := testenv.CPUTimeOfTree(c.process.PID())
	if err != nil {
		return f, err
	}
	text := string(out)
	if strings.Contains(text, "Socket errors") || strings.Contains(text, "Non-2xx") {
		return f, fmt.Errorf("some requests failed:\n%s", text)
	}
	var requests float64
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case strings.Contains(line, "requests in") && len(fields) > 0:
			requests, _ = strconv.ParseFloat(fields[0], 64)
		case strings.HasPrefix(line, "Requests/sec:") && len(fields) == 2:
			f.perSecond, _ = strconv.ParseFloat(fields[1], 64)
		case len(fields) == 2 && fields[0] == "99%":
			f.p99 = fields[1]
		}
	}
	if requests == 0 {
		return f, fmt.Errorf("wrk tells of no request:\n%s", text)
	}
	f.cpuMicros = float64((after - before).Microseconds()) / requests
	return f, nil
}

func report(figures map[string][]figure) {
	rate := func(name string) float64 {
		return median(figures[name], func(f figure) float64 { return f.perSecond })
	}
	cpu := func(name string) float64 {
		return median(figures[name], func(f figure) float64 { return f.cpuMicros })
	}
	fmt.Printf("\nmedian: upstream alone %.0f/s; nginx %.0f/s, %.1f µs CPU a request; penstock %.0f/s, %.1f µs CPU a request\n",
		rate("upstream"), rate("nginx"), cpu("nginx"), rate("penstock"), cpu("penstock"))
	fmt.Printf("penstock / nginx: %.2f of the throughput, %.2f of the CPU time\n", rate("penstock")/rate("nginx"), cpu("penstock")/cpu("nginx"))
}

func median(figures []figure, of func(figure) float64) float64 {
	values := make([]float64, len(figures))
	for i, f := range figures {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
