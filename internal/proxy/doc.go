// Package proxy stands in front of a shop that cannot change. It relays HTTP/1.1 between visitors and the
// shop's servers, and asks for a pass where the sites file says so.
//
// The way of a request: Recognise reads its head strictly and tells whose it is; the rules of its site
// decide on every way in which a server may understand its path; Relay then refuses it, sends the visitor to
// the waiting room, or passes it on.
//
// It speaks HTTP/1.1 by itself and does not use fasthttp: bodies of any size pass through in both directions
// with fixed buffers, interim answers and early answers included, and a connection that is silent keeps no
// buffer. Only what is unambiguous is passed on, and its framing is written anew. So the shop can never find
// other requests in what it gets than were judged here.
package proxy
