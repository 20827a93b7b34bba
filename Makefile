# Everything a person needs: `make demo` and `make test`. Python 3.11 to 3.13, git and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS := cpu,plots,video,sweep,dev,text,onnx,serve,tokenizers,translation,geometric

.PHONY: help demo test test-slow test-gpu check format wheel clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); \
	  sys.exit(None if ok else f"rlgraphkit needs Python 3.11 to 3.13, {sys.executable} is {sys.version.split()[0]}: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: $(VENV)/.installed  ## the main job on real input, about 8 minutes on two cores
	$(BIN)/python examples/demo.py

test: $(VENV)/.installed  ## the fast tests
	$(BIN)/python -m pytest -q

test-slow: $(VENV)/.installed  ## the slow ones: learning to thresholds, kills and damaged files
	$(BIN)/python -m pytest -q -m 'slow or learning or faults'

test-gpu: $(VENV)/.installed  ## what needs a CUDA device
	$(BIN)/python -m pytest -q -m gpu

check: $(VENV)/.installed  ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed  ## put the code in its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel: $(VENV)/.installed  ## build the distribution into dist/
	$(BIN)/python -m build

clean:  ## remove what was built; runs/ stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
