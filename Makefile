# Needs python3 (3.11 or newer), make and git. `make help` lists what it can do.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
# Tests wait for programs now and then, so one more than there are processors; each has a PostgreSQL.
WORKERS ?= $$(( $$(nproc) < 7 ? $$(nproc) + 1 : 8 ))
# Leaves no process to the others while it runs, so it runs alone.
FORK_BOMB := tests/fault/test_process_tree.py::test_a_program_that_forks_without_end_is_gone_in_the_end
CHAIN := tests/data/anvil-prague.ndjson.gz
UV_LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help install demo test check format generate bench mutate lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.dev ## install everything for development into .venv

demo: $(VENV)/.data ## run jobs on real input, then extract, prove and query a small chain
	@$(BIN)/jobyard run examples/sources.yaml
	@$(BIN)/jobyard extract recorded --url $(CHAIN) --out .jobyard/demo --verify full
	@$(BIN)/jobyard verify .jobyard/demo
	@$(BIN)/jobyard query --from .jobyard/demo \
		"SELECT type, count(*) AS transactions, sum(gas_used) AS gas FROM transactions GROUP BY type ORDER BY type"

test: $(VENV)/.dev ## run all tests, on SQLite and on a real PostgreSQL, also from a wheel
	@$(BIN)/python -m pytest -q $(FORK_BOMB)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --deselect $(FORK_BOMB) $(ARGS)

check: $(VENV)/.dev ## lint, format, types, directions of imports, generated files
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary --show-traceback
	@said=$$($(BIN)/lint-imports --no-logo) || { echo "$$said"; exit 1; }
	@$(BIN)/python scripts/generate.py --check

format: $(VENV)/.dev ## put the code into the house's form
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

generate: $(VENV)/.dev ## write the generated files anew
	@$(BIN)/python scripts/generate.py

bench: $(VENV)/.dev ## measure against floors, write bench/RESULTS.md
	@$(BIN)/python bench/run.py $(ARGS)

mutate: $(VENV)/.dev ## drop each SQL predicate in turn and demand a red test
	@$(BIN)/python scripts/mutate_sql.py $(ARGS)

lock: $(VENV)/.dev ## choose versions anew: requirements*.txt
	@$(UV_LOCK) --upgrade -o requirements.txt pyproject.toml
	@$(UV_LOCK) --upgrade --extra data -c requirements.txt -o requirements-data.txt pyproject.toml
	@$(UV_LOCK) --upgrade --extra all --group dev -c requirements.txt \
		-o requirements-dev.txt pyproject.toml

clean: ## remove what was built and installed
	@rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "needs Python 3.11 or newer")'
	@$(PYTHON) -m venv $(VENV)

# Development contains what the demo needs; both stamps are touched so that neither undoes the other.
$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements-dev.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $(VENV)/.data $@

$(VENV)/.data: requirements-data.txt pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(PIP) --require-hashes -r requirements-data.txt
	@$(PIP) --no-deps -e .
	@touch $@
