# Everything a developer types. `make` alone lists the targets; each of them sets up what it needs.
.DEFAULT_GOAL := help

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
BENCH  := .venv-bench
CLIENTS := .venv-clients
BENCHED := .venv-bench-stocktake
ENGINES := .venv-engines
# The first interpreter that is new enough; PYTHON=... on the command line decides otherwise.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$name && exit; done; echo python3)
# uv from the PATH where there is one, else the one that bootstraps the environment.
UV     ?= $(shell command -v uv || echo $(BIN)/uv)
UV_VERSION := >=0.13,<0.14
# Commands start several times faster from compiled modules, and tests start hundreds of them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(STAMP)  ## start an embedded S3 store, take an inventory of it, ask it a question
	$(BIN)/stocktake demo

.PHONY: test
test: $(STAMP)  ## run the tests
	$(BIN)/pytest $(ARGS)

.PHONY: coverage
coverage: $(STAMP)  ## run the tests and show what they do not reach; takes a quarter longer
	$(BIN)/pytest --cov --cov-report=term $(ARGS)

.PHONY: clients
clients: $(CLIENTS)/.installed  ## install the programs of others that tests of the API run

$(CLIENTS)/.installed: tests/clients.txt | $(STAMP)
	$(UV) venv --quiet --clear --python $(BIN)/python $(CLIENTS)
	$(UV) pip install --quiet --compile-bytecode --python $(CLIENTS)/bin/python --requirement $<
	@touch $@

.PHONY: check
check: $(STAMP)  ## formatting, lint, types and floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(STAMP)  ## format the code and mend what can be mended by itself
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(BENCHED)/.installed $(BENCH)/.installed  ## compare stocktake with its peers: listing, and asking HEAD
	$(BENCH)/bin/python -m benchmarks.bench $(ARGS)

.PHONY: bench-scale
bench-scale: $(BENCHED)/.installed $(BENCH)/.installed  ## measure 1, 10 and 100 million objects
	$(BENCH)/bin/python -m benchmarks.scale $(ARGS)

.PHONY: bench-shapes
bench-shapes: $(BENCHED)/.installed $(BENCH)/.installed  ## measure every shape of keys at 200 ms latency
	$(BENCH)/bin/python -m benchmarks.shapes_bench $(ARGS)

.PHONY: bench-ceph
bench-ceph: $(BENCHED)/.installed $(BENCH)/.installed  ## list a million entries of a Ceph bucket, serially and in parallel
	$(BENCH)/bin/python -m benchmarks.ceph_bench $(ARGS)

.PHONY: bench-query
bench-query: $(BENCHED)/.installed  ## measure a question to reports, beside plain DuckDB and polars
	$(BIN)/python -m benchmarks.query_bench $(ARGS)

.PHONY: bench-audit
bench-audit: $(BENCHED)/.installed  ## measure audits of reports, beside plain DuckDB and polars
	$(BIN)/python -m benchmarks.audit_bench $(ARGS)

.PHONY: bench-usage
bench-usage: $(BENCHED)/.installed  ## measure the usage of reports, beside plain DuckDB and polars
	$(BIN)/python -m benchmarks.usage_bench $(ARGS)

.PHONY: bench-diff
bench-diff: $(BENCHED)/.installed  ## measure the comparison of reports, beside plain DuckDB and polars
	$(BIN)/python -m benchmarks.diff_bench $(ARGS)

.PHONY: bench-serve
bench-serve: $(BENCHED)/.installed  ## measure the service under load, and the run beside it
	$(BIN)/python -m benchmarks.serve_bench $(ARGS)

.PHONY: bench-remembering
bench-remembering: $(BENCHED)/.installed  ## measure the second run beside the first, and beside a bare listing
	$(BIN)/python -m benchmarks.remembering_bench $(ARGS)

.PHONY: engines
engines: $(ENGINES)/.installed  ## install the SQL engines that tests/engines needs, 300 MB of downloads

$(ENGINES)/.installed: tests/engines/requirements.txt | $(STAMP)
	$(UV) venv --quiet --clear --python $(BIN)/python $(ENGINES)
	$(UV) pip install --quiet --python $(ENGINES)/bin/python --requirement $<
	@touch $@

# The peers, in an environment of their own. All at once where that works; else what does not install is left out.
$(BENCH)/.installed: benchmarks/requirements.txt | $(STAMP)
	$(UV) venv --quiet --clear --python $(BIN)/python $(BENCH)
	@$(UV) pip install --quiet --compile-bytecode --python $(BENCH)/bin/python --requirement $< || sed '/^#/d' $< | while read -r package; do \
		$(UV) pip install --quiet --compile-bytecode --python $(BENCH)/bin/python "$$package" || echo "left out: $$package" >&2; done
	@touch $@

# What is measured, installed as users install it: the versions of the lock, and nothing that only developers need.
$(BENCHED)/.installed: $(shell find src -name '*.py') requirements.lock pyproject.toml | $(STAMP)
	$(UV) venv --quiet --clear --python $(BIN)/python $(BENCHED)
	$(UV) pip install --quiet --compile-bytecode --python $(BENCHED)/bin/python --constraint requirements.lock '.[server]'
	@touch $@

.PHONY: docs
docs: $(STAMP)  ## renew the tables in docs/ that are generated from the code
	$(BIN)/python docs/generate.py

.PHONY: lock
lock: $(STAMP)  ## renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile --quiet --no-config --upgrade --universal --all-extras --group dev --generate-hashes \
		--no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock pyproject.toml

.PHONY: clean
clean:  ## remove the environment and everything that was generated
	rm -rf $(VENV) $(BENCH) $(CLIENTS) $(BENCHED) $(ENGINES) dist build htmlcov stocktake-demo .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "stocktake needs Python 3.11 or newer; found: $$($(PYTHON) --version 2>&1 || echo none)" >&2; \
		echo "hint: install one and name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@if command -v uv >/dev/null; then $(PYTHON) -m venv --without-pip $(VENV); \
	else $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "hint: on Debian and Ubuntu, python3 -m venv needs the package python3-venv" >&2; exit 1; }; fi

# Once, and again when the lock or the project's own description changes.
$(STAMP): requirements.lock pyproject.toml | $(BIN)/python
	@command -v $(UV) >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv$(UV_VERSION)'
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
