# The two commands of a newcomer are `make demo` and `make test`. Both set up .venv first, once; `make` lists the rest.

PYTHON ?= /usr/bin/python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
# Two workers or more: many tests wait for real processes, so even one core gains.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ "$$n" -gt 2 ] && echo "$$n" || echo 2)
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal
SOURCES := torchsync tests bench scripts $(wildcard demo)

.PHONY: help setup demo test test-systemd test-editor test-dashboards preview simulate check lint types drift golden docs lock bench coverage clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-21s %s\n", $$1, $$2 }'

setup: $(VENV)/.ready ## what every other target needs; done once, and again when a lock changes

$(VENV)/.ready: requirements-dev.lock pyproject.toml scripts/setup.sh scripts/preflight.sh
	@scripts/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

demo: setup ## one agent, one repository, a few commits: what torchsync does, in a minute
	@$(BIN)/python demo/run.py $(ARGS)

test: setup ## the tests; narrow them with ARGS="-k sentence" or ARGS=tests/core
	@$(PYTEST) $(ARGS)

test-systemd: setup ## the shipped unit under a real systemd, in a box that it boots for itself; as root
	@$(PYTEST) tests/systemd $(ARGS)

test-editor: setup ## what editors make of a task repository, by the real language servers; needs node and npm
	@$(BIN)/python -m pytest -q tests/editor $(ARGS)

test-dashboards: setup ## whether Grafana's own types accept the dashboards; needs node and npm
	@$(BIN)/python -m pytest -q tests/grafana/types $(ARGS)

simulate: setup ## a year of a host with crashes, in seconds; ARGS="--seed 7 --days 365" plays one again, --stories 100 plays many
	@$(BIN)/python -m tests.core.simulation.months $(ARGS)

check: lint types drift test ## everything a pull request must pass

lint: setup
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)

types: setup
	@$(BIN)/mypy

drift: setup
	@$(BIN)/python -m scripts.generate --check

docs: setup ## rewrite the generated files: reference pages, the schema's copy in sample-repo
	@$(BIN)/python -m scripts.generate

preview: setup ## pictures of the dashboards for the docs, from two agents and a Prometheus that really run; needs prometheus and chromium
	@$(BIN)/python -m scripts.preview $(ARGS)

golden: setup ## rewrite tests/golden from what the code does now; read the difference before you commit it
	@$(PYTEST) --golden $(ARGS)

lock: setup ## rewrite the lock files; ARGS=--upgrade takes newer versions
	@scripts/lock.sh $(VENV) $(ARGS)

bench: setup ## list the benchmarks; run some with ARGS="next_instant burst" or ARGS=all
	@$(BIN)/python -m bench $(ARGS)

coverage: setup ## branch coverage of torchsync/
	@$(BIN)/coverage run -m pytest -q -p no:xdist $(ARGS)
	@$(BIN)/coverage report

clean: ## everything that make made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
