# Tonemill: one target per thing that a person does. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-unit test-faults fuzz check check-infra bench golden golden-tracks pictures lock clean setup

VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed-lock
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Two files of tests at a time: those that start clusters wait half of their time. Long ones first, as they are listed.
TWO_AT_ONCE := --numprocesses 2 --dist loadfile --no-loadscope-reorder

help:  ## Show this list
	@sed -n -E 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do \
		printf '  make %-13s %s\n' "$$name" "$$text"; done

demo: $(READY)  ## Make recordings, train on them and make 12 finished tracks, all under demo/ (minutes; SCORES=1: no recordings)
	@$(VENV)/bin/tonemill demo $(if $(SCORES),--scores)

test: check  ## All checks and all tests but those of test-faults
	@$(PY) -m pytest $(TWO_AT_ONCE) -m "not faults"

test-faults: $(READY)  ## Kill the machines of clusters at work, and see that nothing is lost (minutes)
	@$(PY) -m pytest -m faults

test-unit: $(READY)  ## Only the quick tests
	@$(PY) -m pytest $(TWO_AT_ONCE) -m "not slow"

fuzz: $(READY)  ## Try the properties of the tests on new random examples (ten minutes); prints what fails
	@$(PY) -m pytest --hypothesis-profile=fuzz --hypothesis-show-statistics -m hypothesis --timeout=1200 tests/lstm_core

check: $(READY)  ## Style, types, import boundaries, no registry addresses
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m pytest tests/test_boundaries.py

check-infra:  ## Terraform and Kubernetes: format, tests, renders, security (needs terraform and kubectl, no account)
	@.ci/check-infra

bench: $(READY)  ## Run every benchmark; each prints JSON lines (long: tens of minutes)
	@for program in benchmarks/[a-z]*.py; do \
		name=$$(basename "$$program" .py); echo "# $$name" >&2; $(PY) -m "benchmarks.$$name"; done

pictures: $(READY)  ## Renew the pictures of docs/orders.md from its examples; look at them
	@$(PY) -m tests.e2e.order_examples

golden: $(READY)  ## Renew what the overlays of k8s/ render to (needs kubectl); look at the difference
	@$(PY) -m tests.k8s.render

golden-tracks: $(READY)  ## Renew the twelve tracks that a refactoring must leave as they are; say in the commit why
	@$(PY) -m tests.golden.golden renew

COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-header --no-annotate --quiet

lock:  ## Renew the locks from pyproject.toml and requirements-checkov.in (needs uv; keeps pins that still fit)
	@command -v uv >/dev/null || { echo "make lock needs the program uv on the PATH (pip install uv)" >&2; exit 1; }
	@$(COMPILE) pyproject.toml --extra dev --output-file requirements.lock
	@$(COMPILE) requirements-checkov.in --output-file requirements-checkov.lock

clean:  ## Delete what these commands made: demo/, caches, the virtual environment
	@rm -rf demo build $(VENV) .venv-checkov .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

setup: $(READY)

# Two stamps, so that an edit of pyproject.toml does not look at a hundred packages again.
$(READY): $(INSTALLED) pyproject.toml
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@echo "Compiling what makes tracks (a minute or two, once)"
	@$(PY) -m lstm_core.tracks.warm_up
	@touch $@

$(INSTALLED): requirements.lock .ci/make-venv
	@.ci/make-venv $(VENV)
	@if [ ! -e $@ ]; then echo "Installing the packages of requirements.lock (about 5 GB, a few minutes, once)"; fi
	@$(PY) -m pip install --quiet --require-hashes --requirement requirements.lock
	@touch $@
