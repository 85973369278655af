# LeadFuel. `make` alone prints what can be done. Nothing here needs root, Docker, or more than python3 and make.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export UV_PYTHON_DOWNLOADS := never

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .leadfuel/tools/bin/uv)
UV_VERSION := 0.13.9
BIN := .venv/bin
JOBS ?= 2

.PHONY: help
help: ## print this help
	@echo "usage: make <verb>"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

# The virtual environment, exactly as the lock file says, compiled once: every command and every process of an
# import starts a second sooner. uv is fetched into .leadfuel when it is not there.
.venv/.ready: pyproject.toml uv.lock
	@command -v $(UV) >/dev/null || { \
	  echo "installing uv $(UV_VERSION) into .leadfuel/tools"; \
	  $(PYTHON) -m venv .leadfuel/tools && .leadfuel/tools/bin/pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"; }
	@$(UV) sync --frozen --all-extras --quiet --compile-bytecode --python $(PYTHON)
	@touch $@

.PHONY: setup
setup: .venv/.ready ## install everything the project needs into .venv

.PHONY: run
run: .venv/.ready ## start everything with demo data; PORT=… chooses the port, Ctrl-C stops all of it
	@exec $(BIN)/leadfuel run

.PHONY: test
test: check pytest ## lint, types, import contract, licences and every test

.PHONY: pytest
pytest: .venv/.ready ## the tests alone, with coverage
	@$(BIN)/pytest -n $(JOBS) --cov --cov-report=term:skip-covered -q

.PHONY: check
check: .venv/.ready ## lint, format, types, import contract, licences: no test, no service
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.licences --check

.PHONY: fmt
fmt: .venv/.ready ## format the code and mend what the linter can mend
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

.PHONY: fuzz
fuzz: .venv/.ready ## schemathesis with all its checks against the running API's description, the long form
	@$(BIN)/pytest tests/api/test_schemathesis.py -q -rP -n 0 -p no:randomly --fuzz

.PHONY: chaos
chaos: .venv/.ready ## slow drills that kill processes for real
	@$(BIN)/pytest -n 0 -q -m chaos tests/chaos

.PHONY: orders
orders: .venv/.ready ## all 5,040 orders of a subscription's events; shape=basil or acacia, both by default
	@$(BIN)/pytest -n 2 -q -m chaos tests/domain/billing/test_orders.py $(if $(shape),-n 0 -k "$(shape)")

.PHONY: mutants
mutants: .venv/.ready ## plant a bug in each safeguard and show which test turns red; of=feed by default, or credits
	@$(BIN)/python -m tests.chaos.mutants $(or $(of),feed)

.PHONY: bench
bench: .venv/.ready ## the benchmarks of speed and quality; CONTACTS=1000000 by default
	@$(BIN)/python -m benchmarks.run --contacts $(or $(CONTACTS),1000000)

.PHONY: bench-signin
bench-signin: .venv/.ready ## whether the time of signing in tells who has an account, and slows others
	@$(BIN)/python -m benchmarks.signin --write

.PHONY: bench-emails
bench-emails: .venv/.ready ## how good the finder is and how fast the validator; only="validator memory" measures these anew
	@$(BIN)/python -m benchmarks.emails $(if $(only),--only $(only))

.PHONY: bench-feed
bench-feed: .venv/.ready ## the benchmarks of the index feed, with pgsync beside it; CONTACTS=200000 by default
	@$(BIN)/python -m benchmarks.feed --contacts $(or $(CONTACTS),200000)

.PHONY: migration
migration: .venv/.ready ## a new migration from the template: make migration m="add credit holds"
	@test -n "$(m)" || { echo 'say what it does: make migration m="add credit holds"'; exit 2; }
	@$(BIN)/leadfuel db revision "$(m)"

.PHONY: psql
psql: .venv/.ready ## a psql on the embedded database, as its owner
	@$(BIN)/leadfuel stack psql

.PHONY: licences
licences: .venv/.ready ## write docs/third-party-licences.md from what is installed
	@$(BIN)/python -m tests.licences --write

.PHONY: lock
lock: .venv/.ready ## renew uv.lock after a change of pyproject.toml
	@$(UV) lock

.PHONY: stop
stop: .venv/.ready ## stop the embedded services
	@$(BIN)/leadfuel stack down

.PHONY: clean
clean: ## stop the services and remove data, environment and caches
	@if [ -x $(BIN)/leadfuel ]; then $(BIN)/leadfuel stack down --delete-data --yes || true; fi
	@rm -rf .venv .leadfuel .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
