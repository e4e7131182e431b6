# Every target says what it does; `make` alone lists them.
GO     ?= go
PYTHON ?= python3
FUZZTIME ?= 10s

LAMBDAS := $(patsubst handlers/%/lambda/main.go,%,$(wildcard handlers/*/lambda/main.go))
LINT    := $(GO) tool -modfile=tools.mod golangci-lint
# infra runs apart: its node runtime races in its own Close, and a 115 MB test binary gains nothing from -race.
PACKAGES = $(shell $(GO) list ./... | grep -v /infra)

export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
export CDK_DISABLE_CLI_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help demo build test setup lint unit race infra synth-check strangers drift bench fuzz faults scenarios mutate golden clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Play an organization on this laptop: needs Go, no AWS account
	$(GO) run ./cmd/doublelock demo

build: ## Build the Lambda binaries into dist/<name>/bootstrap (arm64)
	@for name in $(LAMBDAS); do \
	  echo "build dist/$$name/bootstrap"; \
	  CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -trimpath -buildvcs=false -ldflags='-s -w' -tags lambda.norpc \
	    -o dist/$$name/bootstrap ./handlers/$$name/lambda || exit 1; \
	done

test: setup lint unit infra synth-check strangers ## Run everything that must pass: lint, unit, contract, demo, infra, templates, strangers

setup: node_modules/.installed .venv/.installed .venv-strangers/.installed ## Install the pinned npm packages and the venvs of moto and ministack

node_modules/.installed: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.venv/.installed: requirements-dev.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

.venv-strangers/.installed: requirements-strangers.txt
	$(PYTHON) -m venv .venv-strangers
	.venv-strangers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-strangers.txt
	@touch $@

lint: ## Check style and the usual mistakes
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(LINT) run --allow-parallel-runners

# What plays whole days: migrations reader by reader, faults, every question of conformance, the demo, and stories told by the CLI. Most of their time is the
# local AWS's and the CLI's. The race detector takes two to four times as long for them, and looks at the same goroutines in the
# tests of each package; it plays a part of them here, and all in `make race`.
PLAYED := $(addprefix github.com/doublelock/doublelock/,shared/migration/scenarios shared/conformance \
  handlers/faults cmd/doublelock cmd/doublelock/conformance cmd/doublelock/demo cmd/doublelock/demo/local cmd/doublelock/migrate)

# With the race detector these play a part of their rows.
WHOLE := 'TestNoRowThatIsWrongStopsAnything|TestTenThousandFindings|TestWhatIsSaidOfASecretIsWhatReadingItShows'

# A test's memory is small and its processor is busy: a quarter of its time goes to collecting garbage that nobody is short of.
unit race infra strangers: export GOGC = 400

unit: setup ## Test everything but infra; with the race detector, but for what plays whole days
	$(GO) test -race -timeout 30m $(filter-out $(PLAYED),$(PACKAGES))
	$(GO) test -timeout 60m $(PLAYED)
	$(GO) test -run $(WHOLE) ./cmd/doublelock/repair ./handlers ./shared/cloud
	$(GO) test -race -run TestAStormLeavesNothingRunning ./handlers/faults
	$(GO) test -race -run 'TestScript$$' ./cmd/doublelock
	$(GO) test -race -run 'TestQuestionsDoNotDisturbEachOther|TestTheRightsAreExactlyThoseThatARunTakes' ./shared/conformance
	$(GO) test -race -run TestSweepAndHeartbeatGoOnWhileOrganizationsIsDown ./cmd/doublelock/demo/local

race: setup ## Test everything but infra with the race detector: an hour
	$(GO) test -race -timeout 60m $(PACKAGES)

infra: setup ## Test the CDK app: goldens, invariants, cdk-nag
	$(GO) test ./infra

synth-check: setup ## Synthesize with and without the CDK CLI: byte-identical, and valid for two linters
	bash infra/synth-check.sh

strangers: setup ## Deploy into an AWS that nobody here wrote, and play a day of it there
	CI=true $(GO) test -count=1 -timeout 15m ./infra/strangers
	DOUBLELOCK_STRANGERS=true $(GO) test -count=1 -run TestTheManualSaysWhatEachStandInAnswers/ministack ./cmd/doublelock/conformance

drift: ## Compare AWS's own models with what we know; DRIFT=latest compares the newest that there are, not those pinned
ifeq ($(DRIFT),latest)
	GO='$(GO)' PYTHON='$(PYTHON)' .ci/drift
else
	CI=true $(GO) test -count=1 -run 'TestNothingOfAWSIsUnknownToUs|TestWhatAWSAddsTomorrowIsReportedByName' .
endif

bench: ## Measure, beside the least any tool must do
	$(GO) test -run '^$$' -bench . -benchmem $(PACKAGES)

fuzz: ## Fuzz every decoder and parser for FUZZTIME each
	@for package in $(PACKAGES); do \
	  for name in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$name"; $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$package || exit 1; \
	  done; \
	done

EVENTS ?= 1000000
SEED   ?= 1
faults: ## Let EVENTS writes pass through networks that throttle, lose and kill, by SEED; the last line is JSON. RACE=1: slower
	@mkdir -p dist && $(GO) test -c $(if $(RACE),-race) -o dist/faults.test ./handlers/faults
	@cd handlers/faults && ../../dist/faults.test -test.timeout 0 -test.run TestAStormEndsRight -events $(EVENTS) -seed $(SEED)

DIR ?= testdata/migrations
scenarios: ## Play the migrations of DIR, a folder of files as testdata/migrations/README.md has them: by the plan and by the machine
	DOUBLELOCK_SCENARIOS='$(abspath $(DIR))' $(GO) test -count=1 -timeout 60m -run 'TestThePlanForetellsEveryReader|TestTheMachineBreaksNobody' ./shared/migration/scenarios

mutate: ## Change one operator at a time, see whether a test notices: ROOM=guard, AT=blast.go:36. All rooms: an hour
	$(GO) run ./cmd/mutants -room '$(ROOM)' -at '$(AT)'

golden: ## Rewrite every golden file; read the diff before you commit it
	$(GO) test ./infra -update
	for package in $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -n1 dirname | sort -u | grep -v infra); do $(GO) test $$package -update || exit 1; done

clean: ## Remove what the targets made
	rm -rf dist cdk.out node_modules .venv .venv-strangers
