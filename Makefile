# One command: `make run`. Needs Python 3.11 or newer with pip, and the network the first time only.

PYTHON ?= python3
COMPOSE ?= docker compose -f deploy/docker-compose.yml
ARGS ?=

# All paths are relative: the folder's own path may have spaces.
BIN := .venv/bin
LOCKED := $(BIN)/pip install --disable-pip-version-check --progress-bar on --require-hashes
PROJECT := $(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-index --no-build-isolation
COMPILE := $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe --generate-hashes \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

# A stamp is named for the content of the lock, so a changed lock installs and an equal one does not.
stamp = .venv/.installed-$(1)-$(shell cat pyproject.toml $(2) 2>/dev/null | cksum | cut -d ' ' -f 1)
RUNTIME := $(call stamp,runtime,requirements.lock)
DEV := $(call stamp,dev,requirements-dev.lock)

.DEFAULT_GOAL := help
.PHONY: help run test check faults bench bench-quick up down clean lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

run: $(RUNTIME) ## Start everything on this machine; ARGS="--no-demo" and the like are handed on
	@exec $(BIN)/live-scoreboard up $(ARGS)

check: $(DEV) ## Lint, types, architecture and unit tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/unit tests/architecture --quiet --numprocesses 2 --dist loadfile

test: $(DEV) ## Everything that `check` does, and all tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -rs --numprocesses 3 --dist loadfile --no-loadscope-reorder

faults: $(DEV) ## The proof: kills, network faults, data loss, simulation … (hours; `python -m tests.faults` lists them)
	$(BIN)/python -m tests.faults all $(ARGS)

bench: $(DEV) ## The product beside two ports of it, targets and a picture in bench-results/ (15 minutes)
	@exec $(BIN)/python -m bench $(ARGS) all

bench-quick: $(DEV) ## The same, roughly (3 minutes); ARGS="--only ours" and the like are handed on
	@exec $(BIN)/python -m bench $(ARGS) all --quick

up: deploy/.env ## Start the deployment in Docker
	$(COMPOSE) up --build --detach --wait

down: deploy/.env ## Stop the deployment in Docker
	$(COMPOSE) down

clean: ## Delete the environment and caches; data stays (`live-scoreboard reset` deletes it)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

lock: $(DEV) ## Pin the newest allowed versions, with hashes
	$(BIN)/pip install --disable-pip-version-check --quiet pip-tools
	CUSTOM_COMPILE_COMMAND='make lock' $(COMPILE) --upgrade --extra embedded \
		--output-file requirements.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND='make lock' $(COMPILE) --extra embedded --extra dev \
		--constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND='make lock' $(COMPILE) --constraint requirements.lock \
		--output-file deploy/requirements.lock pyproject.toml

# The second lock holds everything of the first, so after `make check` there is nothing to install.
$(RUNTIME): | .venv/bin/python
	@echo 'Installing what the product needs (once, a minute or two) …'
	@$(LOCKED) -r requirements.lock
	@$(PROJECT) --editable .
	@rm -f .venv/.installed-* && touch $@

$(DEV): | .venv/bin/python
	@echo 'Installing what the product and its tests need (once, a minute or two) …'
	@$(LOCKED) -r requirements-dev.lock
	@$(PROJECT) --editable .
	@rm -f .venv/.installed-* && touch $(DEV) $(RUNTIME)

deploy/.env:
	@echo 'No deploy/.env yet: see "Start" in docs/operations.md'; exit 1

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	@$(PYTHON) -m venv .venv
