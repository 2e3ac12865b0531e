GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
CONFIG ?= config.yaml
# A tag where there is one, else the commit; -dirty where files are changed.
VERSION ?= $(shell git describe --tags --always --dirty --match 'v*' 2>/dev/null | sed 's/^[0-9a-f]/dev-&/')
COMMIT ?= $(shell git describe --always --abbrev=40 --dirty --exclude '*' 2>/dev/null)
DATE ?= $(shell TZ=UTC0 git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
APP = github.com/hiliosai/switchboard/node/internal/app
LDFLAGS = -X $(APP).version=$(VERSION) -X $(APP).commit=$(COMMIT) -X $(APP).date=$(DATE)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Run the node with config.yaml (CONFIG=other.yaml for another)
	bin/switchboard run --config $(CONFIG)

.PHONY: demo
demo: build ## Show the main job from end to end: webhook in, event, answer out, event
	go run ./examples/demo

.PHONY: demo-polling
demo-polling: build ## Show the same without webhooks: the node asks Telegram for messages, and nothing listens
	go run ./examples/demo -polling

.PHONY: build
build: ## Build bin/switchboard
	go build -trimpath -ldflags "$(LDFLAGS)" -o bin/switchboard ./cmd/node

.PHONY: release
release: ## Build the archives, checksums and SBOMs of a release into dist (PLATFORMS="linux/amd64 …")
	VERSION='$(VERSION)' COMMIT='$(COMMIT)' DATE='$(DATE)' LDFLAGS='$(LDFLAGS)' deploy/release.sh

# CA_CERTIFICATES are the authorities that the image trusts, those of Debian's package ca-certificates.
ROOTFS ?= dist/rootfs
CA_CERTIFICATES ?= /etc/ssl/certs/ca-certificates.crt
.PHONY: rootfs
rootfs: ## Assemble what the image holds: ROOTFS=folder. deploy/Dockerfile runs this, too
	mkdir -p $(ROOTFS)/etc/ssl/certs $(ROOTFS)/etc/switchboard $(ROOTFS)/var/lib/switchboard $(ROOTFS)/tmp
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= $(LDFLAGS)" -o $(ROOTFS)/switchboard ./cmd/node
	cp $(CA_CERTIFICATES) $(ROOTFS)/etc/ssl/certs/ca-certificates.crt
	cp deploy/config.yaml LICENSE $(ROOTFS)/etc/switchboard/
	echo 'switchboard:x:65532:65532:switchboard:/var/lib/switchboard:/sbin/nologin' >$(ROOTFS)/etc/passwd
	echo 'switchboard:x:65532:' >$(ROOTFS)/etc/group
	chmod -R a+rX,go-w $(ROOTFS) && chmod 1777 $(ROOTFS)/tmp && chmod 700 $(ROOTFS)/var/lib/switchboard
	[ "$$(id -u)" != 0 ] || chown 65532:65532 $(ROOTFS)/var/lib/switchboard

# Modules of their own. The examples are as an author outside of this one has them: an import of a package internal does
# not build there. deploy's tests read manifests with Kubernetes's and Compose's own packages.
MODULES = examples/parrot examples/sms examples/notes deploy

.PHONY: test
test: servers ## Run everything that must pass: vet and all tests, installing what they need
	for module in $(MODULES); do go -C $$module vet -tags slow ./... || exit 1; done
	go vet -race -tags slow,chaos ./... # with the race detector, so that nothing is compiled for it alone
	$(MAKE) test-race

# PostgreSQL and Redis are started by the tests, from Debian's packages. Where TEST_POSTGRES_URL and TEST_REDIS_URL
# name running ones, these are used instead, but for the tests that stop their server.
SUDO = $(if $(filter 0,$(shell id -u)),,sudo)
.PHONY: servers
servers: ## Install what the tests start and is missing: database servers, shells, checkers of manual pages and units
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && \
	(for program in redis-server zsh fish mandoc systemd-analyze; do command -v $$program >/dev/null || exit 1; done) || { \
		$(SUDO) apt-get update -q && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
			postgresql redis-server zsh fish mandoc systemd; \
	}

.PHONY: test-race
test-race: ## Run all tests, the slow ones too, in random order under the race detector
	go test -tags slow -race -shuffle=on -timeout 15m $$(go list ./... | grep -v /test/)
	for module in $(MODULES); do go -C $$module test -tags slow -race -shuffle=on -timeout 15m ./... || exit 1; done
	go test -p 1 -tags slow -race -shuffle=on -timeout 15m ./test/... # which have the machine to themselves

.PHONY: interop
interop: ## Show the matrix of behaviours against real Node brokers of both lines
	@log=$$(mktemp); go test -race -count=1 -run '^TestMatrix$$' -v ./test/interop >"$$log" 2>&1; status=$$?; \
	if grep -q '^SEEN' "$$log"; then sed -n '/^SEEN/,/ failed$$/p' "$$log"; else cat "$$log"; fi; \
	if [ $$status = 0 ]; then rm "$$log"; else echo "details: $$log" >&2; fi; exit $$status

# SECONDS is how long webhooks are posted; starting and settling take up to three minutes more.
SEED ?= 1
RATE ?= 500
SECONDS ?= 200
CONNECTION_RATE ?= 200
.PHONY: chaos
chaos: servers ## Break everything in turn and show that nothing is lost or doubled (SEED=n RATE=n SECONDS=n)
	@log=$$(mktemp); CHAOS_SEED=$(SEED) CHAOS_RATE=$(RATE) CHAOS_SECONDS=$(SECONDS) \
	go test -tags chaos -count=1 -timeout 10m -run '^TestChaos$$' -v ./test/chaos >"$$log" 2>&1; status=$$?; \
	if grep -q '^[0-9]* passed,' "$$log"; then sed -n '/^ *fault  /,/^[0-9]* passed,/p' "$$log"; else cat "$$log"; fi; \
	if [ $$status = 0 ]; then rm "$$log"; else echo "details: $$log" >&2; fi; exit $$status

.PHONY: chaos-connections
chaos-connections: servers ## Break nodes, NATS and platforms while these send over connections (SEED=n RATE=n)
	@log=$$(mktemp); CHAOS_SEED=$(SEED) CHAOS_RATE=$(CONNECTION_RATE) \
	go test -tags chaos -count=1 -timeout 10m -run '^TestConnectionsChaos$$' -v ./test/chaos >"$$log" 2>&1; status=$$?; \
	if grep -q '^[0-9]* passed,' "$$log"; then sed -n '/^ *fault  /,/^[0-9]* passed,/p' "$$log"; else cat "$$log"; fi; \
	if [ $$status = 0 ]; then rm "$$log"; else echo "details: $$log" >&2; fi; exit $$status

.PHONY: conformance
conformance: ## Hold every platform to the conformance suite
	@log=$$(mktemp); go test -race -count=1 -run 'IsAPlatform$$' -v ./services/... >"$$log" 2>&1; status=$$?; \
	awk -f test/conformance.awk "$$log" || status=1; \
	if [ $$status = 0 ]; then rm "$$log"; else echo "details: $$log" >&2; fi; exit $$status

.PHONY: lint
lint: ## Check style and known faults
	$(GOLANGCI_LINT) run ./...
	for module in $(MODULES); do (cd $$module && $(GOLANGCI_LINT) run ./...) || exit 1; done

.PHONY: bench
bench: ## Measure beside a Node.js peer and the floor, and hold the targets: the short form, some three minutes
	go run ./bench

.PHONY: bench-full
bench-full: ## The same in five rounds, half an hour, written to docs/benchmarks.md
	go run ./bench -full -out docs/benchmarks.md

# To compare two states of the code: make microbench >old, change it, make microbench >new, and
# go run golang.org/x/perf/cmd/benchstat@latest old new
.PHONY: microbench
microbench: ## Run the Go benchmarks with their allocations, six times each
	go test -run '^$$' -bench . -benchmem -count 6 ./...

.PHONY: docs
docs: ## Write what is generated of the documentation anew
	go generate ./...

.PHONY: tidy
tidy: ## Bring go.mod and go.sum up to date, those of the other modules too
	for module in . $(MODULES); do go -C $$module mod tidy || exit 1; done

.PHONY: fmt
fmt: ## Format the code
	$(GOLANGCI_LINT) fmt ./...
