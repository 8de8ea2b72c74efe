# `make` alone lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := requirements.lock

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

# $(READY) holds the folder it was made in. A .venv that was moved, or whose Python went away, is not ready.
ifneq ($(shell cat $(READY) 2>/dev/null) $(shell $(BIN)/python -c 'print("runs")' 2>/dev/null),$(CURDIR) runs)
.PHONY: $(READY)
endif

.PHONY: help setup demo demo-quick test test-slow lint bench clean lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with the command and every tool in it (PYTHON=python3)
	@echo "ready: $(BIN)/shapebias"

demo: $(READY) ## data, three trained networks, measurements and a page, in minutes
	@$(BIN)/shapebias demo

demo-quick: $(READY) ## the same steps in half a minute, to see that they run
	@$(BIN)/shapebias demo --quick --out runs/demo-quick

test: lint ## lint, then every test but the slow ones, on all cores (at most 8)
	@$(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile

test-slow: $(READY) ## the slow tests: golden numbers, kills, builds
	@$(BIN)/pytest -n auto --maxprocesses 8 --dist loadfile -m slow

lint: $(READY) ## style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright

bench: $(READY) ## run every benchmark; each prints its ratios
	@for script in $(filter-out benchmarks/spread.py, $(sort $(wildcard benchmarks/*.py))); do echo "== $$script"; $(BIN)/python "$$script"; done

clean: ## remove caches and built files; keeps .venv and runs
	@rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	@find src tests benchmarks experiments -name __pycache__ -type d -prune -exec rm -rf {} +

lock: $(READY) ## pin what .venv holds in requirements.lock
	@grep '^#' $(LOCK) > $(LOCK).part
	@$(BIN)/python -m pip freeze --all --exclude-editable \
		| grep -Ev '^(pip|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)(==| @)' \
		| sed -E 's/\+[a-z0-9.]+$$//' >> $(LOCK).part
	@mv $(LOCK).part $(LOCK)
	@touch $(READY)
	@echo "pinned $$(grep -c '==' $(LOCK)) packages in $(LOCK)"

$(READY): pyproject.toml $(LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "shapebias needs Python 3.11 or newer: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@if ! grep -qsF "$(CURDIR)/$(VENV)" $(BIN)/activate || ! $(BIN)/python -m pip --version > /dev/null 2>&1; then \
		echo "making $(VENV) with $$($(PYTHON) --version)"; \
		$(PYTHON) -m venv --clear $(VENV); \
	fi
	@echo "installing shapebias and what it needs into $(VENV) (minutes, the first time)"
	@$(BIN)/python -m pip install -qq --constraint $(LOCK) --editable '.[dev]'
	@# an oracle of the tests only: it pins libraries of years ago, and works without
	@$(BIN)/python -m pip install -qq --constraint $(LOCK) --no-deps torchattacks
	@echo "$(CURDIR)" > $@
