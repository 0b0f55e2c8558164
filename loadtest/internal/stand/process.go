package stand

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout = 60 * time.Second // a restart after a kill replays its log first
	stopTimeout  = 40 * time.Second // longer than Penstock's own limit
	readyEvery   = 20 * time.Millisecond
	logTailBytes = 4 << 10
)

// Process is a program run as a child that can be stopped, killed and started
// again with the same arguments. It dies with this process.
type Process struct {
	Name    string
	Program string
	Args    []string
	Env     []string
	Dir     string                          // where it runs; "" for here
	LogPath string                          // output is appended here
	Ready   func(ctx context.Context) error // nil once it answers

	mu   sync.Mutex
	cmd  *exec.Cmd // nil while stopped
	done chan struct{}
}

// Start starts the process and returns once it is ready.
func (p *Process) Start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return fmt.Errorf("%s is already running", p.Name)
	}
	if err := p.launch(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	if err := p.awaitReady(ctx); err != nil {
		_ = p.cmd.Process.Kill()
		<-p.done
		p.cmd = nil
		return fmt.Errorf("start %s: %w\n%s", p.Name, err, p.logTail())
	}
	return nil
}

// launch forks on a thread that is held for as long as the child lives: the
// kernel sends the death signal when the thread that forked ends, and Go ends
// idle threads at will.
func (p *Process) launch() error {
	log, err := os.OpenFile(p.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(p.Program, p.Args...) //nolint:noctx // it outlives the context, which bounds the start only
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.Env, p.Dir, log, log
	dieWithParent(cmd)
	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(done)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.cmd, p.done = cmd, done
	return nil
}

func (p *Process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		err := p.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return errors.New("it ended at once: " + p.cmd.ProcessState.String())
		case <-ctx.Done():
			return fmt.Errorf("it did not become ready: %w (last: %w)", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// Stop asks the process to end and waits until it has; one that takes too long
// is killed, which is an error. Stopping a stopped process is fine.
func (p *Process) Stop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	defer func() { p.cmd = nil }()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not stop within %s and was killed", p.Name, stopTimeout)
	}
}

// Kill ends the process with SIGKILL, as a crash would.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	err := p.cmd.Process.Kill()
	<-p.done
	p.cmd = nil
	return err
}

// PID is the process id, 0 while stopped.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *Process) logTail() string {
	text, err := os.ReadFile(p.LogPath)
	if err != nil {
		return ""
	}
	return string(text[max(0, len(text)-logTailBytes):])
}
