# Everything runs in .venv, which each target makes or refreshes when it has to.
BIN := .venv/bin
BENCH := .bench/astrum/bin
MINUTES ?= 10
# Most tests wait for processes: six at a time keep two cores busy.
PYTEST_ARGS ?= -n 6 --dist loadfile --no-loadscope-reorder
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint format tests thorough chaos soak fuzz bench bench-quick bench-scheduling bench-micro page constraints clean set-up set-up-to-run set-up-to-measure

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: set-up-to-run  ## set up, then run the census of the standard library on an embedded server
	$(BIN)/astrum-coordinator run examples/stdlib_census.py

test: lint tests  ## set up, then check everything: format, lint, types, layers, all tests

lint: set-up  ## check format, lint, types, layers and words
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy examples/*.py examples/operating/*.py
	cd examples/order_service && MYPYPATH=../../worker:../../coordinator ../../$(BIN)/mypy --config-file ../../pyproject.toml *.py
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_words.py

tests: set-up  ## run the tests; PYTEST_ARGS="-k name" selects
	$(BIN)/pytest $(PYTEST_ARGS)

format: set-up  ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fuzz:  ## fuzz whatever reads bytes from the network for MINUTES=10 (Linux)
	@VENV=.fuzz/venv scripts/set_up.sh fuzz
	@mkdir -p .fuzz/corpus
	.fuzz/venv/bin/python tests/fuzz/fuzz_wire.py .fuzz/corpus -max_total_time=$$((60 * $(MINUTES))) \
		-max_len=4096 -timeout=20 -rss_limit_mb=4096 -artifact_prefix=.fuzz/ -print_final_stats=1

thorough: set-up  ## run what takes longer, and remove each safeguard: its tests must notice
	ASTRUM_TEST_COLD_START=1 $(BIN)/pytest -m thorough -n 2 --dist worksteal

chaos: set-up  ## kill workers, coordinators and servers for MINUTES=10
	ASTRUM_CHAOS_MINUTES=$(MINUTES) $(BIN)/pytest -m chaos --timeout=0 -s

soak: set-up  ## keep the server's memory full beside a busy run for MINUTES=10
	ASTRUM_SOAK_MINUTES=$(MINUTES) $(BIN)/pytest tests/integration/resilience/test_full_memory.py \
		-n 3 --timeout=0

bench: set-up-to-measure  ## measure beside the floor and peers; BENCH_ARGS="--only fan_out" selects
	$(BENCH)/python -m benchmarks $(BENCH_ARGS)

bench-quick: set-up-to-measure  ## the same in two minutes, with small sizes
	$(BENCH)/python -m benchmarks --quick $(BENCH_ARGS)

bench-scheduling: set-up-to-measure  ## measure turns and versions; OLD=PYTHON of another checkout compares
	$(BENCH)/python -m benchmarks.scheduling --new $(BENCH)/python $(if $(OLD),--old $(OLD)) $(BENCH_ARGS)

bench-micro: set-up-to-measure  ## time the hot pure functions
	$(BENCH)/pytest benchmarks/micro -p no:randomly -p no:xdist $(BENCH_ARGS)

page:  ## bundle the page of reports again after a change in coordinator/web-src (needs npm)
	cd coordinator/web-src && npm ci --no-audit --no-fund && npm run check && npm run build

constraints:  ## pin the newest versions that pyproject.toml allows
	scripts/pin.sh

clean:  ## remove .venv and everything that tools have left
	rm -rf .venv .bench build dist .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

set-up:
	@scripts/set_up.sh test

set-up-to-run:
	@scripts/set_up.sh run

# An environment of its own: its test plugins are not for the tests.
set-up-to-measure:
	@VENV=.bench/astrum scripts/set_up.sh bench
