package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Pause freezes the server and its descendants (SIGSTOP) and returns once all their threads stand
// still: connections stay open and nothing answers. Resume thaws them.
func (c *child) Pause() error {
	if err := c.signalTree(syscall.SIGSTOP); err != nil {
		return err
	}
	return c.awaitFrozen()
}

// Resume continues a paused server.
func (c *child) Resume() error { return c.signalTree(syscall.SIGCONT) }

// awaitFrozen waits for the kernel: the signal is only on its way when kill returns, and a busy server
// may still answer a request or two. A process that was started meanwhile gets the signal too.
func (c *child) awaitFrozen() error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for deadline := time.Now().Add(stopTimeout); ; <-tick.C {
		running := 0
		for _, pid := range c.PIDs() {
			if !frozen(pid) {
				running++
				_ = syscall.Kill(pid, syscall.SIGSTOP) // one that has ended is not in the next list
			}
		}
		if running == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("pause %s: %d of its processes still run after %s", c.name, running, stopTimeout)
		}
	}
}

// frozen tells whether no thread of the process runs. Without /proc nothing can be told.
func frozen(pid int) bool {
	stats, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil || len(stats) == 0 {
		return true
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		// "pid (name) state …": the name may hold anything, so the state follows the last bracket.
		at := bytes.LastIndexByte(stat, ')')
		if err != nil || at < 0 || len(stat) < at+3 {
			return false
		}
		switch stat[at+2] {
		case 'T', 't', 'Z', 'X':
		default:
			return false
		}
	}
	return true
}
