# Everything starts here: `make serve` on a machine with git, make and python3 (with venv). `make help` lists the rest.
#
# .venv          what the gateway needs and, for the checks, what development needs
# .venv-kernels  what runs inside kernels; nothing of the gateway is installed there
# .venv-clients  other people's clients, for the tests
# .venv-agents   those of them that cannot live beside the others
# .venv-bench    the peers of `make bench`
#
# Each holds exactly the versions of its files in requirements/, checked by hash; see requirements/install.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?=
export PYTHON
ARGS ?=
SLOW := kernel or sandbox or process or thorough
# Groups of tests run side by side: three for two processors, as many a test waits. tests/groups.py says what goes together.
WORKERS ?= --numprocesses 3 --dist loadgroup
# Some tests start plain kernels to compare with.
test check: export OMEGA_KERNEL_PYTHON ?= $(CURDIR)/.venv-kernels/bin/python

.PHONY: help serve install install-dev install-checks install-kernels install-clients install-most-clients install-agents install-bench test check lint format bench notebooks lock audit clean

help: ## what can be made
	@echo "make serve ARGS='--port 9000'   options of the command; PYTHON=/path/to/python3 names the interpreter"
	@sed -n 's/^\([a-z-]*\):.*## /make \1|/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

serve: install ## set up what is missing and serve on 127.0.0.1:8080
	@exec .venv/bin/omega serve $(ARGS)

install: ## the environments that serving needs
	@sh requirements/install .venv gateway project
	@sh requirements/install .venv-kernels kernels

install-dev: install-kernels install-checks ## the environments that development needs

install-checks: # apart, so that `make --jobs` makes it beside the others
	@sh requirements/install .venv gateway project dev

install-kernels:
	@sh requirements/install .venv-kernels kernels

install-clients: install-most-clients install-agents ## the environments of other people's clients that the tests try

install-most-clients: # each apart, so that `make --jobs` makes them side by side
	@sh requirements/install .venv-clients clients project suites

install-agents:
	@sh requirements/install .venv-agents agents

install-bench: install-dev ## the environments that the benchmark needs
	@sh requirements/install .venv-bench bench

test: install-dev install-clients ## the whole test suite, on real kernels
	@exec .venv/bin/python -m pytest $(WORKERS) $(ARGS)

check: install-dev lint ## format, lint, types, import rules and the fast tests
	@exec .venv/bin/python -m pytest -q -m "not ($(SLOW))" $(WORKERS) $(ARGS)

lint: install-checks ## format, lint, types and import rules
	@.venv/bin/ruff format --check --quiet . || { echo "Not formatted: run 'make format'"; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache

format: install-checks ## put the code into its form
	@.venv/bin/ruff format --quiet .
	@.venv/bin/ruff check --quiet --fix .

bench: install-bench ## measure against the peers; writes tests/bench/results.md
	@exec .venv/bin/python -m tests.bench $(ARGS)

notebooks: install-dev ## execute the tutorials again and write their outputs into them
	@exec .venv/bin/python -m tests.notebooks.tutorials

# The newest versions that the ranges in pyproject.toml allow, for every Python from 3.11 on; read the difference before committing it.
UV := .venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --only-binary :all: \
	--generate-hashes --no-header --no-annotate --no-emit-index-url

lock: ## resolve the dependencies anew into requirements/
	@[ -x .venv-lock/bin/uv ] || { $(or $(PYTHON),python3) -m venv .venv-lock && .venv-lock/bin/pip install --quiet uv; }
	@$(UV) pyproject.toml --group build --output-file requirements/gateway.txt
	@$(UV) --group kernels --output-file requirements/kernels.txt
	@$(UV) --group dev --constraint requirements/gateway.txt --output-file requirements/dev.txt
	@$(UV) --group bench --constraint requirements/gateway.txt --output-file requirements/bench.txt
	@$(UV) pyproject.toml --group build --group clients --output-file requirements/clients.txt
	@$(UV) --group agents --output-file requirements/agents.txt
	@$(UV) --no-deps --group suites --output-file requirements/suites.txt

# Asks PyPI's advisory database about every pinned version; an environment without access to that can't run it, and CI does not.
audit: ## look for known faults in what is pinned (asks pypi.org)
	@[ -x .venv-audit/bin/pip-audit ] || { $(or $(PYTHON),python3) -m venv .venv-audit && .venv-audit/bin/pip install --quiet pip-audit; }
	@for lock in requirements/*.txt; do echo "$$lock"; .venv-audit/bin/pip-audit --require-hashes --disable-pip -r $$lock || exit $$?; done

clean: ## remove the environments and every cache
	@rm -rf .venv .venv-kernels .venv-clients .venv-agents .venv-bench .venv-lock .venv-audit *.egg-info build dist
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
