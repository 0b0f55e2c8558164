package testenv

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
	startTimeout = 30 * time.Second // a loaded machine starts Postgres in 2-3 s
	stopTimeout  = 20 * time.Second
	pollEvery    = 5 * time.Millisecond
	logTailBytes = 4 << 10
)

// child is one server program that can be stopped, killed and started again
// on the same port and files. Its methods may be called from any goroutine.
type child struct {
	name       string
	logPath    string
	command    func() *exec.Cmd                // a fresh command for each start
	ready      func(ctx context.Context) error // nil once the server answers
	stopSignal syscall.Signal                  // asks the server to end cleanly

	mu   sync.Mutex
	proc *process // nil while stopped
}

// process is one run of a child.
type process struct {
	pid  int
	cmd  *exec.Cmd
	done chan struct{} // closed once the process was reaped
	err  error         // how it ended; read after done
}

// Start starts the server again after Stop or Kill and returns once it
// answers. Starting a running server is an error.
func (c *child) Start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc != nil {
		return fmt.Errorf("%s is already running", c.name)
	}
	proc, err := launch(c.command(), c.logPath)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	if err := c.awaitReady(ctx, proc); err != nil {
		killTree(proc)
		return fmt.Errorf("start %s: %w\n%s", c.name, err, c.logTail())
	}
	c.proc = proc
	return nil
}

// Stop ends the server cleanly and waits until it is gone; after 20 s it is
// killed, which is reported as an error. Stopping a stopped server is fine.
func (c *child) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil {
		return nil
	}
	proc := c.proc
	c.proc = nil
	if err := proc.cmd.Process.Signal(c.stopSignal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", c.name, err)
	}
	select {
	case <-proc.done:
		return nil
	case <-time.After(stopTimeout):
		killTree(proc)
		return fmt.Errorf("%s did not stop within %s and was killed", c.name, stopTimeout)
	}
}

// Kill ends the server and all its descendants with SIGKILL, as a crash
// would, and waits until they are gone. Killing a stopped server is fine.
func (c *child) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil {
		return nil
	}
	killTree(c.proc)
	c.proc = nil
	return nil
}

// Restart kills the server if it is running and starts it on the same port
// and files.
func (c *child) Restart(ctx context.Context) error {
	if err := c.Kill(); err != nil {
		return err
	}
	return c.Start(ctx)
}

// PID is the process id of the server, 0 while it is stopped. After Restart
// it is another one.
func (c *child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil {
		return 0
	}
	return c.proc.pid
}

// PIDs lists the server and all its descendants, the server first.
func (c *child) PIDs() []int {
	pid := c.PID()
	if pid == 0 {
		return nil
	}
	return Tree(pid)
}

// CPUTime is the CPU time (user and system) used so far by the server and its
// descendants, including those that have ended.
func (c *child) CPUTime() (time.Duration, error) {
	pid := c.PID()
	if pid == 0 {
		return 0, fmt.Errorf("CPU time of %s: it is not running", c.name)
	}
	return CPUTimeOfTree(pid)
}

func (c *child) signalTree(sig syscall.Signal) error {
	pids := c.PIDs()
	if len(pids) == 0 {
		return fmt.Errorf("signal %s: it is not running", c.name)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal %s: %w", c.name, err)
		}
	}
	return nil
}

func (c *child) awaitReady(ctx context.Context, proc *process) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := c.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-proc.done:
			return fmt.Errorf("it ended at once: %w", errEnded(proc.err))
		case <-ctx.Done():
			return fmt.Errorf("it did not answer: %w (last: %w)", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func errEnded(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// logTail is the end of the server's own log, for error messages.
func (c *child) logTail() string {
	b, err := os.ReadFile(c.logPath)
	if err != nil {
		return ""
	}
	if len(b) > logTailBytes {
		b = b[len(b)-logTailBytes:]
	}
	return string(b)
}

// launch starts cmd with its output appended to the file logPath. The death
// signal follows the OS thread that forked, and Go may end a thread at will,
// so that thread is held by its own goroutine for as long as the child lives.
func launch(cmd *exec.Cmd, logPath string) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	dieWithParent(cmd)

	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// killTree kills the process and its descendants, and waits until all of them
// are gone, so that files and ports are free afterwards.
// The root is frozen first: it starts no further child after they were listed.
func killTree(p *process) {
	_ = p.cmd.Process.Signal(syscall.SIGSTOP)
	pids := Tree(p.pid)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	deadline := time.Now().Add(stopTimeout)
	for _, pid := range pids {
		for alive(pid) && time.Now().Before(deadline) {
			<-tick.C
		}
	}
}
