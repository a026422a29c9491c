# Everything runs in .venv, which the first target that needs it creates and fills.
# Another interpreter: make test PYTHON=python3.12      Part of the tests: make test PYTEST_ARGS="tests/core"

PYTHON ?= python3
PYTEST_ARGS ?=
# Processes of the tests. With 0 they share the one that collects them.
JOBS ?= 2

VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
PYTEST = $(RUN) -m pytest --numprocesses $(JOBS) --dist worksteal
ALONE = $(RUN) -m pytest -m "not slow"

# Minutes: JAX compiles every operation for every shape, so that it gets what may differ there.
GENERIC := tests/backends tests/core tests/callbacks tests/methods
ON_JAX := $(addprefix --ignore=tests/callbacks/test_,arguments.py training_options.py) $(GENERIC)
ON_TORCH := $(GENERIC) tests/initializers tests/layers tests/training tests/weights \
	tests/structure $(addprefix tests/test_,model.py model_structures.py rounds.py)
# What `make test` runs of these: arrays, devices, and every method against its reference.
FEW_ON_JAX := tests/backends tests/core tests/callbacks/test_against_reference.py
FEW_ON_TORCH := $(FEW_ON_JAX) tests/weights/test_optimizer.py

# TensorFlow's start-up messages.
export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow backends lint format clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t  /p' $(MAKEFILE_LIST)

demo: $(INSTALLED)  ## train one network with every method and compare them, in minutes
	$(RUN) -m experiments compare

test: lint  ## lint, then the tests, a few on JAX and PyTorch too; with PYTEST_ARGS those, on TensorFlow
	$(PYTEST) $(if $(PYTEST_ARGS),$(PYTEST_ARGS),-m "not slow")
	$(if $(PYTEST_ARGS),,KERAS_BACKEND=jax $(ALONE) $(FEW_ON_JAX))
	$(if $(PYTEST_ARGS),,KERAS_BACKEND=torch $(ALONE) $(FEW_ON_TORCH))

test-slow: $(INSTALLED)  ## what `make test` leaves out: kills, several processes, XLA, then backends
	$(PYTEST) -m slow
	$(MAKE) backends

backends: $(INSTALLED)  ## run what does not need TensorFlow on JAX and on PyTorch
	KERAS_BACKEND=jax $(PYTEST) -m "not slow" $(ON_JAX)
	KERAS_BACKEND=torch $(PYTEST) -m "not slow" $(ON_TORCH)

lint: $(INSTALLED)  ## ruff (rules and format) and mypy
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: $(INSTALLED)  ## let ruff mend what it can
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:  ## remove the virtual environment and every cache
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed: TensorFlow has no build for others." \
	       "Received: PYTHON=$(PYTHON) ($$($(PYTHON) --version 2>&1))." \
	       "Expected, for example: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV): about 4 GB, some minutes, once."
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): setup.cfg pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@
