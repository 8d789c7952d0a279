# Two commands: `make demo` and `make test`. Both prepare .venv first; nothing else is installed by hand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo gallery test check clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/bayes-guided demo

# Draws every plot from experiments/gallery/results; with ARGS=--compute the results too.
gallery: install
	$(BIN)/python -m experiments.gallery.run $(ARGS)

# One thread a worker: two workers of two threads on two cores slow one another a hundredfold.
test: install
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build *.egg-info
