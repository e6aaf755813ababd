# Everything a fresh clone needs: python3.11 or newer, git and make. Each target makes .venv by itself.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
ARGS ?=

.PHONY: help up test conformance lint fmt bench clean

help:
	@echo "make up     start a control plane with its data in .wherry/ (ARGS='--port 0' for flags)"
	@echo "make test   run the tests (ARGS='tests/kit' for some of them)"
	@echo "make conformance   run the conformance suite (SERVER=kubeconfig, or SERVER=https://... TOKEN=...: of that server)"
	@echo "make lint   ruff, mypy and the rooms' import rule"
	@echo "make fmt    format the code"
	@echo "make bench  measure against the budgets"
	@echo "make clean  remove .venv and caches; .wherry/ stays"

# pip learned dependency groups in 25.1; the one that comes with Python may be older.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

up: $(STAMP)
	@exec $(BIN)/wherry up $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

conformance: $(STAMP)
	CONFORMANCE_SERVER='$(SERVER)' CONFORMANCE_TOKEN='$(TOKEN)' $(BIN)/python -m pytest tests/conformance $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
