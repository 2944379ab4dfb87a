# Everything runs in .venv, which each target makes or refreshes when it has to.
BIN := .venv/bin
MINUTES ?= 10
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint format tests chaos bench constraints clean set-up set-up-to-run

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: set-up-to-run  ## set up, then run the census of the standard library on an embedded server
	$(BIN)/astrum-coordinator run examples/stdlib_census.py

test: lint tests  ## set up, then check everything: format, lint, types, layers, all tests

lint: set-up  ## check format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy examples/*.py
	$(BIN)/lint-imports

tests: set-up  ## run the tests; PYTEST_ARGS="-k name" selects
	$(BIN)/pytest $(PYTEST_ARGS)

format: set-up  ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

chaos: set-up  ## kill workers, coordinators and servers for MINUTES=10
	ASTRUM_CHAOS_MINUTES=$(MINUTES) $(BIN)/pytest -m chaos --timeout=0 $(PYTEST_ARGS)

bench: set-up  ## measure, and print a table
	$(BIN)/python -m benchmarks

constraints:  ## pin the newest versions that pyproject.toml allows
	scripts/pin.sh

clean:  ## remove .venv and everything that tools have left
	rm -rf .venv build dist .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

set-up:
	@scripts/set_up.sh test

set-up-to-run:
	@scripts/set_up.sh run
