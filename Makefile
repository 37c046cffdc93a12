# make demo   quantize, prove, check and time the embedded model
# make gate   quantize the embedded model and judge it with pyq8 check
# make test   run every test
# make lint   ruff and mypy
# make docs   the site, into site/: warnings are errors, examples in docstrings run, links are checked
# make links   the same, and every link to the outside (needs a network)
# make kernels   build the compiled kernels into src, for PYTHONPATH=src (needs CMake and a C++17 compiler)
# Each makes its own virtual environment in .venv first.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml $(shell find src calib_datasets -type f -not -name '*.pyc' -not -name '*.so')

DIGITS := calib_datasets/digits

.PHONY: demo gate test lint docs links kernels clean

demo: $(VENV)/installed
	$(BIN)/pyq8 demo

gate: $(VENV)/installed
	$(BIN)/pyq8 quantize $(DIGITS)/digits.onnx --calib $(DIGITS)/images --preprocess $(DIGITS)/preprocess.toml \
		-o $(VENV)/digits.int8.onnx
	$(BIN)/pyq8 check $(DIGITS)/digits.onnx $(VENV)/digits.int8.onnx --data $(DIGITS)/images --max-drop 2 --min-int8 1

test: $(VENV)/installed-test
	$(BIN)/python -m pytest

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

SPHINX = $(BIN)/python -m sphinx -W --keep-going -n -q -d build/doctrees docs

docs: $(VENV)/installed-docs
	rm -rf site
	$(SPHINX) -b html site
	$(SPHINX) -b doctest build/doctest
	$(BIN)/python docs/check_links.py site

links: docs
	$(SPHINX) -b linkcheck build/linkcheck

kernels:
	cmake -S src/pyq8/kernels -B build/dev
	cmake --build build/dev --parallel
	cmake --install build/dev --prefix src

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[test]'
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build site
