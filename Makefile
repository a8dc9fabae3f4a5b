# `make test` and `make demo` need Python 3.11, make and a package index; everything else lands in
# .venv. The demo needs edgecut with its two runtimes alone; tests and benchmarks need PyTorch, too.
.PHONY: demo test fuzz lint bench clean python

# python3.11 by preference; any other python3 that is new enough will do. Each is tried, because a
# version manager may put a command of that name on the path that runs nothing.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON := $(shell for p in python3.11 python3; do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet
TIMES := 10
RUNTIMES := .venv/runtimes
READY := .venv/ready

demo: $(RUNTIMES)
	$(BIN)/edgecut build --keep person,car --out build/demo
	$(BIN)/edgecut bench build/demo --seconds 1

test: $(READY) lint
	$(BIN)/mypy
	$(BIN)/pytest

# The tests on random networks, with TIMES as many examples and never the same ones: four minutes
# for each ten. What failed is in .hypothesis, and is tried first the next time.
fuzz: $(READY)
	EDGECUT_FUZZ=$(TIMES) $(BIN)/pytest -m hypothesis tests/test_cutout.py tests/passes

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Takes about two hours, and wants a machine with nothing else to do.
bench: $(READY)
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist edgecut.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIMES): pyproject.toml | python
	$(PYTHON) -m venv .venv
	$(INSTALL) -e .[tflite,openvino]
	touch $@

# torch comes first and alone, and is named again beside the rest, so that no other build of it is
# ever picked.
$(READY): $(RUNTIMES)
	$(INSTALL) torch==2.13.0
	$(INSTALL) -e .[all,bench,test] torch==2.13.0
	touch $@

python:
	@test -n "$(PYTHON)" || { echo "edgecut needs Python 3.11 or newer, as python3.11 or python3" >&2; exit 1; }
