# make run: three passes of pictures. make test: every check. Both install what they need first.

# An activated environment is used; without one, .venv is made here. Conda's base is left alone.
CONDA := $(if $(filter-out base,$(CONDA_DEFAULT_ENV)),$(CONDA_PREFIX))
VENV ?= $(or $(VIRTUAL_ENV),$(CONDA),.venv)
PYTHON ?= $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || command -v python3)
BIN := $(VENV)/bin

# The stamp names the checkout that the environment belongs to: another checkout installs itself.
STAMP := $(VENV)/flopslab.installed
STALE := $(if $(filter $(CURDIR),$(shell cat $(STAMP) 2>/dev/null)),,stale)

.PHONY: run test lint lab tiny stale
.DEFAULT_GOAL := run

# One thread: on a busy machine two are slower for pictures this small, and it repeats to the last bit.
run test: export OMP_NUM_THREADS := 1

run: $(STAMP)
	mkdir -p output
	$(BIN)/papermill notebooks/run.ipynb output/run.ipynb
	$(BIN)/jupyter nbconvert --log-level WARN --to html output/run.ipynb
	@echo "Look at output/run.html. Pictures: output/demo/final, every pass: output/demo/pass1, ..."

test: lint
	rm -rf build/notebooks
	mkdir -p build/notebooks
	cp $(filter-out notebooks/out%,$(wildcard notebooks/*.ipynb)) build/notebooks
	$(BIN)/python -m pytest tests build/notebooks \
		--nbval-lax --nbval-current-env --nbval-cell-timeout 300

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lab: $(STAMP)
	$(BIN)/jupyter lab

tiny: $(STAMP)
	$(BIN)/python -m training.train

$(STAMP): pyproject.toml constraints.txt $(STALE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@echo "$(CURDIR)" > $@
