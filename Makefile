# make run · make test · make lint · make bench: each sets up what it needs, once.
PYTHON ?= python3
PORT ?= 7860
HOST ?= 127.0.0.1
VENV := .venv
PY := $(VENV)/bin/python
export PORT HOST

.PHONY: run test lint unit browser bench clean

run: $(VENV)/run.stamp
	$(PY) -m e5demo setup
	$(PY) app.py

test: lint unit browser

lint: $(VENV)/dev.stamp
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

unit: $(VENV)/dev.stamp
	$(PY) -m pytest -m "not browser"

browser: $(VENV)/dev.stamp
	bash tests/browser/ensure_chromium.sh
	$(PY) -m pytest -m browser --durations=12

bench: $(VENV)/run.stamp
	for script in benchmarks/bench_*.py; do $(PY) $$script || exit 1; done

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "e5demo needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.txt | $(VENV)/bin/python
	@echo "Installing into $(VENV): some minutes, the first time."
	$(PY) -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements.txt | $(VENV)/bin/python
	@echo "Installing into $(VENV): some minutes, the first time."
	$(PY) -m pip install --quiet -r requirements-dev.txt
	touch $@ $(VENV)/run.stamp

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
