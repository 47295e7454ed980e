# Everything that people and CI do with a clone. Needs make and Python 3.11 or newer, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Written last, so that an installation that was broken off is taken up again.
INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/bench/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test bench chaos lint format contract lock

help: ## show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## install everything into .venv, from the hash-pinned requirements.lock

$(INSTALLED): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || \
		{ echo "Rollcall needs Python 3.11 or newer, and there is no $(PYTHON) here; install it, or name another one: make PYTHON=/path/to/python $(or $(MAKECMDGOALS),install)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Rollcall needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1); name another one: make PYTHON=/path/to/python3.11 $(or $(MAKECMDGOALS),install)" >&2; exit 1; }
	@echo "Installing into $(VENV) from requirements.lock; the first time takes a minute or two."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: install ## bring up the whole stack, roster the sample districts, stay up until Ctrl-C
	@$(BIN)/python -m deploy.demo

test: lint ## everything that CI runs: lint, types, all tests on a real Kafka and PostgreSQL
	@$(BIN)/pytest -n 3 --dist loadgroup

bench: $(BENCH_INSTALLED) ## measure all that Rollcall aims at, into docs/performance.md (BENCH=--help for what can be chosen)
	@$(BIN)/python -m tests.bench --docs $(BENCH)

# dlt, to compare with, and matplotlib, to draw with: apart, so that no installation of Rollcall's has them.
$(BENCH_INSTALLED): requirements-bench.lock $(INSTALLED)
	@$(PYTHON) -m venv $(VENV)/bench
	@$(VENV)/bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-bench.lock
	@touch $@

chaos: install ## kill workers in the middle of their work, round after round (CHAOS=20 for more)
	@for round in $$(seq $(or $(CHAOS),5)); do echo "round $$round"; $(BIN)/pytest -q -m chaos -n 3 || exit 1; done

lint: install ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: install ## let ruff format the code and sort its imports
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

contract: install ## write the JSON Schemas and the AsyncAPI document anew from schemas/
	@$(BIN)/python -m schemas.write_contract

lock: install ## pin the dependencies of pyproject.toml anew (then review the difference)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --group dev \
		--no-header --no-emit-index-url --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --group pyproject.toml:bench \
		--no-header --no-emit-index-url --output-file requirements-bench.lock
