package main

import (
	"testing"

	"github.com/penstock/penstock/internal/testenv"
)

// realOrderLog starts a NATS server that syncs each write, and returns the settings that name it
// and let Penstock see that it does.
func realOrderLog(t testing.TB) []string {
	t.Helper()
	return orderLogAt(testenv.NATS(t))
}

func orderLogAt(server *testenv.NATSServer) []string {
	return []string{"PENSTOCK_NATS_URL=" + server.URL, "PENSTOCK_NATS_MONITOR_URL=" + server.MonitorURL}
}
