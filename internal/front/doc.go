// Package front is what visitors and shops speak to: the HTTP calls of the sale, the waiting-room
// page, forward-auth for proxies, and feature flags. It decides nothing about people, stock or
// orders; it reads requests strictly, asks the stages, and words the answers.
//
// It is the only package that knows fasthttp. openapi.yaml describes it in full, and a test holds
// the running server to that description.
package front
