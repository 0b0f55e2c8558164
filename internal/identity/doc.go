// Package identity tells who wants to join a sale: it verifies the tokens that a shop signs for its customers,
// and knows the invites of invite-only sales.
//
// A join token is a JSON Web Token (RFC 7519). Only EdDSA, ES256, RS256 and HS256 are read, each with a key of its
// own kind alone: a public key is never taken for a shared one. What cannot be verified is refused, and while the
// keys of a shop cannot be had, nobody is let in by them.
package identity
