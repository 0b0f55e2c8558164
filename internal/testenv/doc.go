// Package testenv starts the real servers that tests, benchmarks and load
// tests run against: Redis (one node, a cluster, or with sentinels), PostgreSQL,
// PgBouncer and nats-server, as throwaway children on free loopback ports. A
// child ends with the process that started it, even when that process is killed.
// A missing program is an error that says what to install; nothing is ever
// skipped.
//
// Tests call Redis, RedisCluster, RedisSentinel, Postgres, PostgresDedicated,
// PgBouncer, NATS and Mini. Programs without a testing.TB call the Start
// functions beneath them and Stop what they started.
package testenv
