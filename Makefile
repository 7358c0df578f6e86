# Targets that a person calls carry a comment after ##; make help lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TOOL    := go tool -modfile=internal/tools/go.mod
TESTBED := go -C internal/testbed run .
OUT     := dist
TESTBED_TOOL := go tool -modfile=../tools/go.mod
GOTESTSUM := gotestsum --format pkgname --format-hide-empty-pkg
FUZZTIME ?= 30s
SIZE    ?= 1GB
MB      ?= 500

help: ## list the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/circleci-dr
	CGO_ENABLED=0 go build -trimpath -o bin/circleci-dr ./cmd/circleci-dr

demo: ## boot the testbed, move both databases out by plan and apply, show the proof
	@go -C internal/testbed run . demo

demo-back: ## move the demo's databases back into the cluster
	@go -C internal/testbed run . demo-back

testbed-up: ## boot the testbed (Kubernetes, database servers, images)
	@$(TESTBED) up

testbed-down: ## take the testbed down
	@$(TESTBED) down

check: vet lint unit ## what needs no testbed: vet, lint, unit tests

vet: ## go vet with every set of build tags
	go vet -tags testbed ./...
	go vet -tags testbed,testhooks ./...
	go vet -tags testbed,faults ./internal/e2e
	go -C internal/testbed vet ./...
	go -C internal/testbed vet -tags fixture ./...

lint: lint-product lint-testbed ## golangci-lint with the version pinned in internal/tools/go.mod

lint-product:
	$(TOOL) golangci-lint run ./...

lint-testbed:
	cd internal/testbed && $(TESTBED_TOOL) golangci-lint run --config ../../.golangci.yml --build-tags fixture ./...

servers: ## fetch what the unit tests need: PostgreSQL and MongoDB servers, a C compiler
	@$(TESTBED) fetch

unit: unit-product unit-testbed ## unit tests of every module

unit-product: servers
	@mkdir -p $(OUT)
	$(TOOL) $(GOTESTSUM) --jsonfile $(OUT)/unit.json -- -race ./...

unit-testbed: servers
	@mkdir -p $(OUT)
	cd internal/testbed && $(TESTBED_TOOL) $(GOTESTSUM) --jsonfile ../../$(OUT)/testbed.json -- -tags fixture ./...

# Only the packages with such tests: the others have had their turn in unit.
services: testbed-up ## tests against the real Kubernetes and databases
	@mkdir -p $(OUT)
	exports=$$($(TESTBED) env) && eval "$$exports"; \
	packages=$$(grep -rl '^//go:build testbed' --include='*_test.go' internal | xargs dirname | sort -u | sed 's,^,./,'); \
	$(TOOL) gotestsum --format testname --jsonfile $(OUT)/services.json -- -tags testbed -timeout 60m -p 1 $$packages

faults: testbed-up ## real faults on the testbed, all of them; services has the five most telling
	@mkdir -p $(OUT)
	exports=$$($(TESTBED) env) && eval "$$exports"; \
	$(TOOL) gotestsum --format testname --jsonfile $(OUT)/faults.json -- -tags testbed,faults -timeout 60m -p 1 -run Faults ./internal/e2e

test: ## everything: vet, lint, unit tests, real services
	@.ci/run-tests

fuzz: ## run every fuzz target for FUZZTIME each
	@for pkg in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | cut -c6-); do \
	    go test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME); done; done

golden: ## rewrite golden files; read the diff before you commit it
	go test ./spec ./schema ./reconcile ./internal/render ./internal/values ./cmd/... -update
	go -C internal/testbed test ./chart -update

bench: ## measure the copy and the proof against the manual's way (SIZE=1GB)
	go run ./internal/postgres/bench -size $(SIZE)

bench-mongo: ## measure the copy of MongoDB against mongodump and mongorestore (MB=500)
	go run ./internal/mongo/bench -size $(MB)

clean: ## remove what was built
	rm -rf bin $(OUT)

.PHONY: help build demo demo-back testbed-up testbed-down check vet lint lint-product lint-testbed servers unit unit-product unit-testbed services faults test fuzz golden bench bench-mongo clean
