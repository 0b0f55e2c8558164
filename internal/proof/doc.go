// Package proof asks visitors for a proof of work and verifies it, in the shape of ALTCHA's first version
// (https://altcha.org): a challenge is the SHA-256 of a salt and a secret number in decimal, and whoever finds the
// number by trying has worked for it. The server keeps nothing of a challenge. It is good for one sale, for one
// requester and for [Life], and only in the sale's epoch in which it was made. That a solution counts once is for the
// caller to see to, by its [ID].
package proof
