SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Arguments of `make demo`, such as ARGS=--exit.
ARGS     ?=
# How long `make fuzz` runs each fuzz test.
FUZZTIME ?= 10s

# Without -buildvcs=false, go fails in a checkout that another account owns.
export GOFLAGS := $(GOFLAGS) -mod=readonly -buildvcs=false

# Where scripts/setup --dev puts the linters and generators.
TOOLS    = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/distbot/tools/$(shell go env GOVERSION)
VERSION  = $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what the system must provide, if anything is missing
	@scripts/setup

.PHONY: setup-dev
setup-dev:
	@scripts/setup --dev

.PHONY: build
build: ## build bin/distbot
	@gcc --version >/dev/null 2>&1 && pkg-config --exists libsolv || scripts/setup
	go build -ldflags '-X main.version=$(VERSION)' -o bin/distbot ./cmd/distbot

.PHONY: demo
demo: setup build ## run everything on this machine, with real pushes (ARGS=--exit to end afterwards)
	bin/distbot demo $(ARGS)

.PHONY: test
test: setup ## run all tests but the e2e tests
	go test -race -timeout 15m ./...

.PHONY: e2e
e2e: ## run the whole system against a real Gitea, which is built the first time, and emulated builds
	@scripts/setup --e2e
	scripts/gitea go test -race -timeout 20m -tags e2e ./e2e/...
	go test -race -timeout 20m -tags e2e -run '^Test(Emulated|BuildFor32Bit)' ./builders/rootfs

.PHONY: bench
bench: setup ## run the benchmarks
	go test -timeout 60m -run '^$$' -bench . -benchmem ./...

.PHONY: fuzz
fuzz: setup ## run each fuzz test for FUZZTIME
	@go test -list '^Fuzz' ./... | \
	awk '/^Fuzz/ {name[n++] = $$1} /^ok/ {for (i = 0; i < n; i++) print $$2, name[i]; n = 0}' | \
	while read -r package name; do \
		echo "$$package $$name"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime '$(FUZZTIME)' "$$package" </dev/null; \
	done

.PHONY: lint
lint: setup setup-dev ## check format, import table and the rest of .golangci.yml
	@unformatted=$$($(TOOLS)/gofumpt -l .); \
	if [ -n "$$unformatted" ]; then printf 'not formatted by gofumpt:\n%s\n' "$$unformatted"; exit 1; fi
	go vet -tags e2e ./...
	$(TOOLS)/staticcheck -tags e2e ./...
	$(TOOLS)/golangci-lint run

.PHONY: generate
generate: setup-dev ## generate code from SQL and go:generate lines
	$(TOOLS)/sqlc generate
	go generate ./...

.PHONY: verify
verify: setup-dev ## check that generated code, go.mod and go.sum are current
	@scripts/verify-generated
	go mod verify
	go mod tidy -diff

.PHONY: clean
clean: ## remove what make built here; caches and installed packages stay
	rm -rf bin coverage.out
