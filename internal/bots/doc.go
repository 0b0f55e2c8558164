// Package bots holds what can be said of a client without asking anybody: how much comes from where.
//
// [Limits] are token buckets in the memory of one node, for networks, addresses, and the keys and tickets of visitors.
// Nothing of them outlives the process, and nodes do not share them: with n nodes behind a load balancer that spreads
// one address over all of them, that address gets up to n times as much.
//
// The memory is bounded. Of each kind of bucket a fixed number is kept; when there are more, the one goes that was
// asked for the longest time ago. Whoever was forgotten has a full bucket again. An attacker who wants a bucket to be
// forgotten has to come from more addresses than are kept within the minute in which it would fill up by itself. The
// buckets of networks are asked first and are kept apart, so that the addresses of one IPv6 network, of which there
// are 65,536 in a /48, cannot push out those of others: beyond the limit of their network they are not looked up.
package bots
