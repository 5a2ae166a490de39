# Every target sets up what it needs: a fresh machine with Python >= 3.11 is enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= replicate
READY := $(VENV)/.ready
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

.PHONY: replicate test check bench format docs gallery clean

replicate: $(READY)
	$(BIN)/nwedge replicate --out $(OUT)

test: check
	$(BIN)/python -m pytest -n 2

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest tests/test_architecture.py
	$(MKDOCS) --quiet --site-dir build/checked-site

# The documentation, in build/site; the pictures of its gallery, in build/gallery.
docs: gallery
	$(MKDOCS)

gallery: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python docs/_build/shelf.py

bench: $(READY)
	$(BIN)/python -m benchmarks

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "nwedge needs Python >= 3.11, but $(PYTHON) is $$($(PYTHON) -V 2>&1); pass PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

clean:
	rm -rf $(VENV) build
