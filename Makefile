# `make` lists what there is. Tools are built from pinned module graphs into bin/, on first use.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Stamp the source version only where git can read it: a checkout owned by another user must build too.
GIT_READABLE := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=$(GIT_READABLE))

TEST_TIMEOUT ?= 12m
FUZZ_SECONDS ?= 10
SOAK_KILLS ?= 100
# Where the tests of the PHP connector find PSR-7. The Debian package php-nyholm-psr7 puts it there.
export PSR7_AUTOLOAD ?= /usr/share/php/Nyholm/Psr7/autoload.php

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/penstock
	CGO_ENABLED=0 go build -ldflags '-X main.version=$(VERSION)' -o bin/penstock ./cmd/penstock

.PHONY: run
run: build ## Run everything in one process, with a demo shop and a live sale
	bin/penstock serve --demo

.PHONY: test
test: bin/nats-server ## Run the tests with the race detector, against real Redis, Postgres and NATS
	scripts/install-test-servers
	go vet ./...
	go test -race -timeout $(TEST_TIMEOUT) ./...

# In these one step follows the other, or make test does the same on a real Redis: the race detector would find nothing
# more, and they would take four times as long with it.
.PHONY: test-simulations
test-simulations: ## Run the long simulations: models of the line and of the stock, counts over many seeds; without the race detector
	go vet -tags simulations ./queue ./reservation
	go test -v -count=1 -timeout 8m -tags simulations -run '^TestSimulation' ./queue ./reservation

# FAULT_PROMOTIONS=20 makes the long form: so many failovers each, and orders again within 5 s.
.PHONY: test-faults
test-faults: bin/nats-server ## Run the slower tests: a Redis replica takes over, processes are killed, a store is down, a rush, shadow mode
	scripts/install-test-servers
	go vet -tags faults ./cmd/penstock ./internal/ledger
	go test -v -race -count=1 -timeout 2m -tags faults -run '^TestFault' ./internal/ledger
	go test -v -race -count=1 -timeout 28m -tags faults -run '^TestFault' ./cmd/penstock

.PHONY: test-browser
test-browser: build ## Test the browser client and the waiting-room page, also in headless Chromium; installs what is missing
	scripts/install-test-browser
	cd connectors/browser && timeout 700 npm test

PROXY_TOOLS := bin/caddy bin/envoyreplay bin/traefikreplay

.PHONY: test-proxies
test-proxies: $(PROXY_TOOLS) ## Run the tests of forward-auth through nginx, Caddy, Envoy and Traefik with the files of deploy/forward-auth, and the proxy mode
	scripts/install-test-servers
	go vet -tags proxies ./cmd/penstock
	go test -v -race -count=1 -timeout 6m -tags proxies -run '^TestProxy' ./cmd/penstock

.PHONY: test-idle
test-idle: bin/nats-server ## Measure what sales without visitors cost. CPU time is measured, so it needs a machine that does nothing else, and CI does not run it
	scripts/install-test-servers
	go test -v -count=1 -timeout 10m -tags idle -run '^TestSalesThatNobodyVisits' ./cmd/penstock

.PHONY: test-connectors
test-connectors: build ## Test the connectors for shops (Go, Node, PHP), alone and in front of a running server
	scripts/install-connector-tests
	cd connectors/go && go vet ./... && go test -race -count=1 -timeout 2m ./...
	cd connectors/node && npm ci --no-audit --no-fund && npm run check && npm test && npm pack --dry-run
	php connectors/php/test/keys_test.php
	php connectors/php/test/jointoken_test.php
	PENSTOCK_TEST_BINARY=$(CURDIR)/bin/penstock node --test examples/medusa/test/middlewares.test.mjs
	PENSTOCK_TEST_BINARY=$(CURDIR)/bin/penstock go test -count=1 -timeout 4m -tags connectors ./connectors/conformance

.PHONY: soak-kill
soak-kill: bin/nats-server ## Kill SOAK_KILLS (100) random processes in a drop, and look for lost orders
	scripts/install-test-servers
	SOAK_KILLS=$(SOAK_KILLS) go test -v -count=1 -timeout 60m -tags faults -run '^TestFaultProcessesKilledAtRandomLoseNothing$$' ./cmd/penstock

.PHONY: lint
lint: bin/golangci-lint ## Check style and the fences between packages
	scripts/check-sleeps
	bin/golangci-lint run ./...
	cd connectors/go && ../../bin/golangci-lint run ./...

.PHONY: lint-openapi
lint-openapi: ## Lint the OpenAPI documents of the front and of the admin API
	scripts/lint-openapi

.PHONY: fmt
fmt: bin/golangci-lint ## Format the code
	bin/golangci-lint fmt ./...

.PHONY: fuzz
fuzz: ## Fuzz each parser for FUZZ_SECONDS (10)
	scripts/fuzz $(FUZZ_SECONDS)

.PHONY: bench
bench: ## Measure the hot paths on this machine
	go run ./loadtest/bench

.PHONY: bench-proxies
bench-proxies: ## Measure what forward-auth adds to a request, through nginx and in the proxy mode, at 2,000 requests a second
	scripts/install-test-servers
	go test -count=1 -timeout 10m -tags proxies -run '^$$' -bench '^BenchmarkForwardAuth' -benchtime 1x ./cmd/penstock

.PHONY: bench-waiting
bench-waiting: ## Measure the polls of 100,000 who wait beside hello, in seven turns, and what they cost Redis
	scripts/install-test-servers
	go run ./loadtest/bench --rows crowd --rounds 7

# The server is built without the race detector, as its memory is measured.
.PHONY: test-waiting
test-waiting: bin/nats-server ## Let ten million visitors wait in one room: the server's memory and Redis's keys do not grow with them
	scripts/install-test-servers
	go test -v -count=1 -timeout 5m -tags sizes -run '^TestTenMillionWait' ./cmd/penstock

.PHONY: test-million
test-million: ## Fill a ledger with a million orders: the first row of an export, pages of the list, and the sums come in time
	scripts/install-test-servers
	go test -v -count=1 -timeout 8m -tags sizes -run '^TestAMillionOrders' ./internal/console

.PHONY: bench-sizes
bench-sizes: bin/nats-server ## Measure how many bytes a ticket, a reservation, an order and a connection need
	scripts/install-test-servers
	go test -v -count=1 -timeout 5m -tags sizes -run '^TestSizes$$' ./cmd/penstock

.PHONY: loadtest
loadtest: bin/k6 build ## Load-test a server started for it, or the one at BASE_URL
	go run ./loadtest/run

# MEDUSA_FLAGS="--visitors 200" makes a smaller one.
.PHONY: demo-medusa
demo-medusa: build ## Drive one crowd at a Medusa shop, alone and with Penstock in front of it (10 minutes)
	scripts/install-test-servers
	scripts/install-medusa
	go run ./loadtest/medusa $(MEDUSA_FLAGS)

.PHONY: client
client: ## Build the browser client and its types again, after a change of it or of openapi.yaml
	scripts/install-test-browser
	cd connectors/browser && npm run build

.PHONY: pictures
pictures: build ## Take the pictures of docs/waiting-room.md again
	scripts/install-test-browser
	node scripts/picture-room.mjs

.PHONY: docs
docs: ## Regenerate docs/configuration.md and docs/api.md
	UPDATE_DOCS=1 go test -count=1 -run 'TestDocumentationIsCurrent|TestTheAPIPageIsCurrent' ./internal/config ./cmd/penstock

.PHONY: tools
tools: bin/golangci-lint bin/nats-server bin/k6 ## Build the tools: linter, NATS server, k6

.PHONY: clean
clean: ## Remove what was built and measured; data/ stays
	rm -rf bin reports tools/openapi/node_modules examples/medusa/shop/node_modules

bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && GOFLAGS=-buildvcs=false go build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

bin/nats-server: go.mod go.sum
	GOFLAGS=-buildvcs=false go build -o $@ github.com/nats-io/nats-server/v2
	@touch $@

bin/k6: loadtest/tools/go.mod loadtest/tools/go.sum
	cd loadtest/tools && GOFLAGS=-buildvcs=false go build -o ../../$@ go.k6.io/k6
	@touch $@

bin/caddy: tools/proxies/go.mod tools/proxies/go.sum
	cd tools/proxies && GOFLAGS=-buildvcs=false go build -o ../../$@ github.com/caddyserver/caddy/v2/cmd/caddy
	@touch $@

bin/envoyreplay bin/traefikreplay: bin/%replay: tools/proxies/go.mod tools/proxies/go.sum $(wildcard tools/proxies/*replay/*.go)
	cd tools/proxies && GOFLAGS=-buildvcs=false go build -o ../../$@ ./$*replay
	@touch $@
