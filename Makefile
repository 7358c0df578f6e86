# Targets that a person calls carry a comment after ##; make help lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

TOOL    := go tool -modfile=internal/tools/go.mod
TESTBED := go -C internal/testbed run .
OUT     := dist
GOTEST  := $(TOOL) gotestsum --format pkgname --format-hide-empty-pkg
FUZZTIME ?= 30s
SIZE    ?= 1GB

help: ## list the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/circleci-dr
	CGO_ENABLED=0 go build -trimpath -o bin/circleci-dr ./cmd/circleci-dr

demo: build ## boot the testbed, move PostgreSQL out by plan and apply, show the proof
	@go -C internal/testbed run . demo

testbed-up: ## boot the testbed (Kubernetes, PostgreSQL servers, images)
	@$(TESTBED) up

testbed-down: ## take the testbed down
	@$(TESTBED) down

check: vet lint unit ## what needs no testbed: vet, lint, unit tests, scripts

vet:
	go vet ./...
	go -C internal/testbed vet ./...

lint: ## golangci-lint with the version pinned in internal/tools/go.mod
	$(TOOL) golangci-lint run ./...

unit: ## unit tests and scripts of every module
	@mkdir -p $(OUT)
	$(GOTEST) --jsonfile $(OUT)/unit.json -- -race ./...
	cd internal/testbed && $(TOOL:internal/tools/go.mod=../tools/go.mod) gotestsum --format pkgname --format-hide-empty-pkg --jsonfile ../../$(OUT)/testbed.json -- ./...

services: testbed-up ## tests against the real Kubernetes and PostgreSQL
	@mkdir -p $(OUT)
	eval "$$($(TESTBED) env)" && $(GOTEST) --jsonfile $(OUT)/services.json -- -tags testbed -timeout 60m -p 1 ./internal/...

test: ## everything: vet, lint, unit, scripts, real services
	@.ci/run-tests

fuzz: ## run every fuzz target for FUZZTIME each
	@for pkg in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | cut -c6-); do \
	    go test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME); done; done

golden: ## rewrite golden files; read the diff before you commit it
	go test ./spec ./schema ./internal/render ./cmd/... -update

bench: ## measure the copy and the proof against the manual's way (SIZE=1GB)
	go run ./internal/postgres/bench -size $(SIZE)

clean: ## remove what was built
	rm -rf bin $(OUT)

.PHONY: help build demo testbed-up testbed-down check vet lint unit services test fuzz golden bench clean
