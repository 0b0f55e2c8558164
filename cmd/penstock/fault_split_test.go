//go:build faults

package main

import (
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// splitSecret is PENSTOCK_SECRET of processes that work together.
const splitSecret = "the-secret-of-the-tests-0123456789abcdef"

// split is Penstock as three processes, one for each role, that share their stores.
type split struct {
	t                    testing.TB
	gate, drain, console *server
}

// newSplit prepares the three processes; env names their stores.
func newSplit(t testing.TB, env ...string) *split {
	t.Helper()
	env = append(env, "PENSTOCK_SECRET="+splitSecret)
	s := &split{t: t, gate: newRole(t, "gate", env), drain: newRole(t, "drain", env), console: newRole(t, "console", env)}
	s.console.front = s.gate.front // where the sales that it creates are seen
	return s
}

// newRole prepares a process that has one role. Its health is on the console's listener, whatever
// the role.
func newRole(t testing.TB, role string, env []string) *server {
	t.Helper()
	s := newServer(t, append([]string{"PENSTOCK_ROLES=" + role}, env...)...)
	s.readyURL = s.console + "/readyz"
	return s
}

// start starts all three and returns when they are ready.
func (s *split) start() {
	s.t.Helper()
	for _, process := range s.processes() {
		process.launch()
	}
	for _, process := range s.processes() {
		testenv.Eventually(s.t, 60*time.Second, "every role is ready", process.isReady)
	}
}

func (s *split) processes() []*server { return []*server{s.drain, s.console, s.gate} }

// supervise starts every process again that has ended by itself, as an operator's supervisor would:
// one that starts while a store is down may give up. It returns how many it started.
func (s *split) supervise() (restarted int) {
	s.t.Helper()
	for _, process := range s.processes() {
		if process.hasEnded() {
			process.cmd = nil
			process.launch()
			restarted++
		}
	}
	return restarted
}
