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

// realStores are a Redis, a NATS and a Postgres of the test's own, and the environment that names them.
type realStores struct {
	redis    *testenv.RedisServer
	nats     *testenv.NATSServer
	postgres *testenv.PostgresServer
}

func newRealStores(t *testing.T) realStores {
	t.Helper()
	return realStores{redis: testenv.Redis(t, testenv.AppendFsync("always")), nats: testenv.NATS(t), postgres: testenv.PostgresDedicated(t)}
}

func (s realStores) env() []string {
	return append(orderLogAt(s.nats), "PENSTOCK_REDIS_URL="+s.redis.URL, "PENSTOCK_POSTGRES_URL="+s.postgres.URL)
}
