# Targets that a person calls carry a comment after ##; make help lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# One way of compiling: what vet, lint, tests and the programs of the testbed
# have in common is compiled once. The race detector needs cgo.
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(filter-out -trimpath,$(GOFLAGS)) -trimpath)

TOOL    := go tool -modfile=internal/tools/go.mod
TESTBED := go -C internal/testbed run .
OUT     := dist
IMAGE   := go -C internal/image run ./build
# The same bytes need the same compiler; go fetches it where another is there.
IMAGE_GO := go1.26.8
TESTBED_TOOL := go tool -modfile=../tools/go.mod
GOTESTSUM := gotestsum --format pkgname --format-hide-empty-pkg
# The race detector makes everything several times slower, so make unit uses it
# where goroutines meet: whole where the tests are quick, and of the three large
# packages the tests in which most of them do. make race uses it everywhere.
RACE    := env CGO_ENABLED=1 go test -json -race -count 1 -timeout 40m
RACED   := ./cmd/... ./internal/bundle ./internal/helm ./internal/kube ./internal/process
RACED_OF_LARGE := ThereAndBack|Turns|HandOff|MoveSimple|MoveAwkward|NewerMover|FallsSilent|Sessions|Restarts|HashAndScan|FenceStops
FUZZTIME ?= 30s
SIZE    ?= 1GB
MB      ?= 500
MEMORY_SIZE ?= 10240
RUNS    ?= 2000
TIMES   ?= 1
COUNT   ?= 60
SILENT  ?= 4
SEED    := $(or $(SEED),$(shell date +%s))
MATRIX  := Killed|EveryCall|EveryReadOfAPlan|EveryStep|Interruption|LosingTheLease

help: ## list the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/circleci-dr
	go build -o bin/circleci-dr ./cmd/circleci-dr

image: ## the product's image as an OCI archive in dist/, without Docker (VERSION=1.2.3 for a release)
	@GOTOOLCHAIN=$(IMAGE_GO) $(IMAGE) $(IMAGE_FLAGS) -version '$(VERSION)' -out '$(CURDIR)/$(OUT)/circleci-dr-image.tar'

release: ## the binaries of a release for Linux and macOS with their checksums, in dist/release-VERSION (VERSION=1.2.3): the same bytes from every clone
	@test -n '$(VERSION)' || { echo "name the version: make release VERSION=1.2.3" >&2; exit 1; }
	@GOTOOLCHAIN=$(IMAGE_GO) $(IMAGE) -version '$(VERSION)' -binaries '$(CURDIR)/$(OUT)/release-$(VERSION)'

image-pins: ## pin the newest packages that go into the image; read the diff before you commit it
	@$(IMAGE) -renew-pins

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
	go -C internal/image vet ./...

lint: lint-product lint-testbed lint-image ## golangci-lint with the version pinned in internal/tools/go.mod

lint-product:
	$(TOOL) golangci-lint run --allow-serial-runners ./...

lint-testbed:
	cd internal/testbed && $(TESTBED_TOOL) golangci-lint run --allow-serial-runners --config ../../.golangci.yml --build-tags fixture ./...

lint-image:
	cd internal/image && $(TESTBED_TOOL) golangci-lint run --allow-serial-runners --config ../../.golangci.yml ./...

servers: ## fetch what the unit tests need: PostgreSQL and MongoDB servers, a C compiler
	@$(TESTBED) fetch

unit: unit-product unit-testbed unit-image ## unit tests of every module

unit-product: servers
	@mkdir -p $(OUT)
	$(TOOL) $(GOTESTSUM) --jsonfile $(OUT)/unit.json -- -count 1 -timeout 20m -parallel 4 $$(go list ./... | grep -vxFf <(go list $(RACED)))
	$(TOOL) $(GOTESTSUM) --jsonfile $(OUT)/race.json --raw-command -- $(RACE) $(RACED)
	$(TOOL) $(GOTESTSUM) --jsonfile $(OUT)/race-large.json --raw-command -- $(RACE) -run '$(RACED_OF_LARGE)' ./internal/postgres ./internal/mongo ./reconcile
	$(TOOL) $(GOTESTSUM) --jsonfile $(OUT)/race-random.json --raw-command -- $(RACE) ./reconcile -run TestRandom -rapid.checks 40

race: servers ## every unit test under the race detector: longer than CI takes
	$(TOOL) $(GOTESTSUM) --raw-command -- $(RACE) ./...

unit-testbed: servers
	@mkdir -p $(OUT)
	cd internal/testbed && $(TESTBED_TOOL) $(GOTESTSUM) --jsonfile ../../$(OUT)/testbed.json -- -count 1 -tags fixture ./...

unit-image:
	@mkdir -p $(OUT)
	cd internal/image && $(TESTBED_TOOL) $(GOTESTSUM) --jsonfile ../../$(OUT)/image.json -- -count 1 ./...

# Only the packages with such tests: the others have had their turn in unit.
services: testbed-up ## tests against the real Kubernetes and databases
	@mkdir -p $(OUT)
	@$(TESTBED) clear
	exports=$$($(TESTBED) env) && eval "$$exports"; \
	packages=$$(grep -rl '^//go:build testbed' --include='*_test.go' internal | xargs dirname | sort -u | sed 's,^,./,'); \
	$(TOOL) gotestsum --format testname --jsonfile $(OUT)/services.json -- -count 1 -tags testbed -timeout 60m -p 2 -parallel 2 $$packages

faults: testbed-up ## real faults on the testbed, and releases that another tool manages: longer than CI takes
	@mkdir -p $(OUT)
	@$(TESTBED) clear
	exports=$$($(TESTBED) env) && eval "$$exports"; \
	$(TOOL) gotestsum --format testname --jsonfile $(OUT)/faults.json -- -count 1 -tags testbed,faults -timeout 60m -parallel 1 -run 'Faults|HandOff' ./internal/e2e

test: ## everything: vet, lint, unit tests, real services
	@.ci/run-tests

matrix: ## the engine's matrix: every flow, step and call, killed, failed or interrupted there; prints how many ran and converged
	@mkdir -p $(OUT)
	@go test ./reconcile -count 1 -timeout 60m -v -flows.all -run '$(MATRIX)' > $(OUT)/matrix.txt || { grep -vE '^ *(=== |--- PASS)' $(OUT)/matrix.txt; exit 1; }
	@sed -n 's/.*matrix: //p' $(OUT)/matrix.txt
	@awk '/matrix: / {for (i = 2; i <= NF; i++) {if ($$i ~ /^ran/) ran += $$(i-1); if ($$i ~ /^converged/) ok += $$(i-1)}} END {print "in all: " ran " ran, " ok " converged"}' $(OUT)/matrix.txt

random: ## RUNS random histories of the engine (SEED repeats one run)
	@mkdir -p $(OUT)
	@echo "seed $(SEED)"
	@go test ./reconcile -count 1 -timeout 60m -v -run TestRandom -rapid.checks $(RUNS) -rapid.seed $(SEED) > $(OUT)/random.txt || { grep -v '^=== ' $(OUT)/random.txt; exit 1; }
	@sed -n 's/.*random: //p' $(OUT)/random.txt

fuzz: ## run every fuzz target for FUZZTIME each
	@for pkg in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | cut -c6-); do \
	    go test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME); done; done

golden: ## rewrite golden files; read the diff before you commit it
	go test ./spec ./schema ./reconcile ./internal/render ./internal/values ./cmd/... -update
	go -C internal/testbed test ./chart -update

bench: ## measure the copy and the proof against the manual's way (SIZE=1GB)
	go run ./internal/postgres/bench -size $(SIZE)

# Prints the table, then, where something was wrong, what.
CORPUS_TABLE = { sed -n 's/^ *corpus: //p' $(1); test -z "$$failed" || { grep -v '^ *corpus: ' $(1) | grep -E '_test.go:|^ *--- FAIL|^panic'; exit 1; }; }

prove-corpus: prove-corpus-postgres prove-corpus-mongodb ## move and prove awkward databases between all releases, print a table of what came of it

prove-corpus-postgres: servers ## its PostgreSQL part: COUNT objects of each common kind (COUNT=60), PostgreSQL's regression tests, pg_partman
	@mkdir -p $(OUT)
	@failed=; POSTGRES_CORPUS=$(COUNT) go test -count 1 -v -timeout 180m -run TestProveCorpus ./internal/postgres > $(OUT)/corpus-postgres.txt 2>&1 || failed=yes; $(call CORPUS_TABLE,$(OUT)/corpus-postgres.txt)

prove-corpus-mongodb: servers ## its MongoDB part: awkward collections of 4.4, 5.0 and 6.0, TIMES over (TIMES=1)
	@mkdir -p $(OUT)
	@failed=; MONGO_CORPUS=$(TIMES) go test -count 1 -v -timeout 60m -run TestProveCorpus ./internal/mongo > $(OUT)/corpus-mongodb.txt 2>&1 || failed=yes; $(call CORPUS_TABLE,$(OUT)/corpus-mongodb.txt)

silences: servers ## cut PostgreSQL off at every call of every operation of an outage, SILENT pairs of servers side by side (SILENT=4): longer than CI takes
	@mkdir -p $(OUT)
	@POSTGRES_SILENCES=$(SILENT) go test -count 1 -v -timeout 120m -run TestNoCallIsWithoutALimit ./internal/postgres > $(OUT)/silences.txt 2>&1 || { grep -vE '^ *(=== |--- PASS)' $(OUT)/silences.txt; exit 1; }
	@sed -n 's/.*silence: //p' $(OUT)/silences.txt

bench-mongo: ## measure the copy of MongoDB against mongodump and mongorestore (MB=500)
	go run ./internal/mongo/bench -size $(MB)

bench-memory: ## peak memory of both movers at 100 MB and at MEMORY_SIZE=10240 MB; needs three times that on disk
	for mb in 100 $(MEMORY_SIZE); do go run ./internal/postgres/bench -size $$mb -cycles 1 -only copy && go run ./internal/mongo/bench -size $$mb -cycles 1 -only copy || exit 1; done

clean: ## remove what was built
	rm -rf bin $(OUT)

.PHONY: help build image release image-pins demo demo-back testbed-up testbed-down check vet lint lint-product lint-testbed lint-image servers unit unit-product unit-testbed unit-image race services faults test matrix random silences fuzz golden bench bench-mongo bench-memory prove-corpus prove-corpus-postgres prove-corpus-mongodb clean
