// Package penstock keeps a shop's pages for the visitors whom Penstock's waiting room admitted.
//
// It is for a shop on another host than the waiting room. [Gate.Protect] wraps a handler. Who comes from
// the waiting room brings a code that is good once; the gate exchanges it for the pass and keeps that as a
// cookie of the shop. Passes are verified here, with Penstock's public keys. Who has no pass is sent to the
// waiting room, which leads back to the page that was asked for.
//
// [SignJoinToken] signs what gives a customer of the shop one place in the waiting room.
//
// What cannot be checked is closed: while the keys have not been read for too long, the answer is 503.
package penstock
