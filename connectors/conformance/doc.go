// Package conformance holds the tests that every connector has to pass: a shop that uses the connector, in
// front of a running penstock. They run with the build tag connectors; see `make test-connectors`.
package conformance
