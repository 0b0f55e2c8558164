// Package embedded runs the servers of the default installation inside the process: a Redis that
// keeps its data in memory, and a NATS server with JetStream on disk. Neither is reachable by
// other users of the machine: Redis listens on loopback behind a random password, NATS does not
// listen at all.
//
// What the in-memory Redis holds is lost with the process, as section "rebuild" of the
// architecture expects; what JetStream acknowledged is fsynced.
package embedded
